package bora.fuzz;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * One file in a directory of its own, whose content is hostile. A reader of it may take it, or
 * refuse it with an {@link IOException} whose message names it or a file beside it; anything else
 * that is thrown is a defect, and so is memory out of proportion to the file.
 */
final class HostileFile {
  /** Reads all that there is of a file, as bora does. */
  @FunctionalInterface
  interface Reader {
    void read(Path file) throws IOException;
  }

  /** Buffers, messages with their stack traces, and what the files beside it need. */
  private static final long FIXED_BYTES = 2 << 20;

  /** JSON is the worst: {@code [[],[],...]} takes about 100 bytes of tree for 3 of text. */
  private static final long BYTES_PER_FILE_BYTE = 256;

  /** A message is for people; a file must not write its own. */
  private static final int LONGEST_MESSAGE = 4096;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private final Path file;
  private final Reader reader;

  private HostileFile(Path file, Reader reader) {
    this.file = file;
    this.reader = reader;
  }

  /**
   * @param name the hostile file's
   * @param beside resources of this package that lie in the directory too, with their names there
   */
  static HostileFile of(String name, Reader reader, String... beside) {
    try {
      Path directory = Files.createTempDirectory("bora-fuzz");
      for (String resource : beside) {
        copy(resource, directory.resolve(Path.of(resource).getFileName()));
      }
      Path file = directory.resolve(name);
      Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(directory)));
      return new HostileFile(file, reader);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void copy(String resource, Path to) throws IOException {
    try (InputStream in = HostileFile.class.getResourceAsStream(resource)) {
      Files.copy(in, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private static void delete(Path directory) {
    try (var files = Files.list(directory)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
      Files.delete(directory);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Writes the content and has it read.
   *
   * @return whether the reader took it
   */
  boolean isTaken(byte[] content) {
    try {
      Files.write(file, content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    long limit = FIXED_BYTES + BYTES_PER_FILE_BYTE * content.length;
    long before = THREADS.getCurrentThreadAllocatedBytes();
    boolean taken = read();
    if (THREADS.getCurrentThreadAllocatedBytes() - before > limit) {
      // The first time, classes were loaded on the way.
      before = THREADS.getCurrentThreadAllocatedBytes();
      taken = read();
      long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
      if (allocated > limit) {
        throw new AssertionError(
            "allocated " + allocated + " bytes for a file of " + content.length);
      }
    }
    return taken;
  }

  private boolean read() {
    try {
      reader.read(file);
      return true;
    } catch (IOException e) {
      requireSentence(e);
      return false;
    }
  }

  private void requireSentence(IOException e) {
    String message = e.getMessage();
    if (message == null
        || !message.contains(file.getParent().toString())
        || message.length() > LONGEST_MESSAGE) {
      throw new AssertionError("no message for people: " + message, e);
    }
  }
}
