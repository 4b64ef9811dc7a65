package bora.formats.pack;

import bora.formats.MismatchedArtifactException;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * What of a partial pack is whole, kept beside it for a run that resumes. Lines of UTF-8, each a
 * CRC32C of the rest of the line, a space and the rest:
 *
 * <pre>
 * bora-journal 1 WORK                  first: what is written here, as a SHA-256
 * tensor ID CRC32C SHA256              the bytes of this tensor were written
 * source NAME SHA256                   this source file, its name URL-encoded, was hashed
 * </pre>
 *
 * A line is written in one go after what it tells of. The first that is torn or damaged ends the
 * journal. It says nothing of what a crash of the machine kept: whoever resumes reads the tensors
 * back.
 */
final class PackJournal implements AutoCloseable {
  private static final String TITLE = "bora-journal 1 ";
  private static final int CRC_DIGITS = 8;
  private static final long MAX_BYTES = 64L << 20;

  private final Path file;
  private final FileChannel channel;
  private final Map<String, Checksum> tensors;
  private final Map<String, String> sources;

  private PackJournal(
      Path file, FileChannel channel, Map<String, Checksum> tensors, Map<String, String> sources) {
    this.file = file;
    this.channel = channel;
    this.tensors = Map.copyOf(tensors);
    this.sources = Map.copyOf(sources);
  }

  /** Begins a journal where there is none. */
  static PackJournal start(Path file, String work) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    PackJournal journal = new PackJournal(file, channel, Map.of(), Map.of());
    try {
      journal.append(TITLE + work);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
    return journal;
  }

  /**
   * Continues a journal.
   *
   * @return empty where there is none, or none whose first line is whole
   * @throws MismatchedArtifactException when it is of other work
   */
  static Optional<PackJournal> resume(Path file, String work) throws IOException {
    return open(file, work, StandardOpenOption.WRITE);
  }

  /** Reads a journal that is complete, as {@link #resume} otherwise. */
  static Optional<PackJournal> read(Path file, String work) throws IOException {
    return open(file, work, StandardOpenOption.READ);
  }

  private static Optional<PackJournal> open(Path file, String work, StandardOpenOption access)
      throws IOException {
    byte[] bytes = read(file);
    Map<String, Checksum> tensors = new HashMap<>();
    Map<String, String> sources = new HashMap<>();
    int end = 0;
    for (String line = wholeLine(bytes, end); line != null; line = wholeLine(bytes, end)) {
      if (end == 0) {
        requireSame(file, TITLE + work, line);
      } else {
        take(line, tensors, sources);
      }
      end += CRC_DIGITS + 1 + line.getBytes(StandardCharsets.UTF_8).length + 1;
    }
    if (end == 0) {
      return Optional.empty();
    }
    FileChannel channel = FileChannel.open(file, access, LinkOption.NOFOLLOW_LINKS);
    if (access == StandardOpenOption.WRITE) {
      channel.truncate(end).position(end);
    }
    return Optional.of(new PackJournal(file, channel, tensors, sources));
  }

  private static byte[] read(Path file) throws IOException {
    try {
      return Files.size(file) > MAX_BYTES ? new byte[0] : Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      return new byte[0];
    }
  }

  /** The rest of the line that begins at a byte; null where no whole one does. */
  private static String wholeLine(byte[] bytes, int start) {
    int end = start;
    while (end < bytes.length && bytes[end] != '\n') {
      end++;
    }
    int restStart = start + CRC_DIGITS + 1;
    if (end == bytes.length || end < restStart) {
      return null;
    }
    byte[] rest = Arrays.copyOfRange(bytes, restStart, end);
    byte[] prefix = prefix(rest);
    return Arrays.equals(bytes, start, restStart, prefix, 0, prefix.length)
        ? new String(rest, StandardCharsets.UTF_8)
        : null;
  }

  private static byte[] prefix(byte[] rest) {
    CRC32C crc = new CRC32C();
    crc.update(rest);
    String digits = HexFormat.of().toHexDigits((int) crc.getValue());
    return (digits + " ").getBytes(StandardCharsets.US_ASCII);
  }

  private static void requireSame(Path file, String expected, String found)
      throws MismatchedArtifactException {
    if (!found.equals(expected)) {
      throw new MismatchedArtifactException(
          file,
          "what was begun there is another conversion: expected "
              + expected
              + ", found "
              + found
              + "; convert without --resume to begin anew");
    }
  }

  private static void take(
      String line, Map<String, Checksum> tensors, Map<String, String> sources) {
    String[] fields = line.split(" ", 4);
    switch (fields[0]) {
      case "tensor" -> tensors.put(fields[1], new Checksum(fields[2], fields[3]));
      case "source" -> sources.put(fields[1], fields[2]);
      default -> throw new IllegalStateException("no line of version 1: " + line);
    }
  }

  /** The checksum of a tensor that an earlier run wrote. */
  Optional<Checksum> tensor(TensorKey key) {
    return Optional.ofNullable(tensors.get(key.id()));
  }

  /** The SHA-256 of a source file that an earlier run took. */
  Optional<String> source(String name) {
    return Optional.ofNullable(sources.get(encode(name)));
  }

  void recordTensor(TensorKey key, Checksum checksum) throws IOException {
    append("tensor " + key.id() + " " + checksum.crc32c() + " " + checksum.sha256());
  }

  void recordSource(String name, String sha256) throws IOException {
    append("source " + encode(name) + " " + sha256);
  }

  private static String encode(String name) {
    return URLEncoder.encode(name, StandardCharsets.UTF_8);
  }

  private synchronized void append(String line) throws IOException {
    byte[] rest = (line + "\n").getBytes(StandardCharsets.UTF_8);
    byte[] prefix = prefix(Arrays.copyOf(rest, rest.length - 1));
    ByteBuffer bytes = ByteBuffer.allocate(prefix.length + rest.length);
    bytes.put(prefix).put(rest).flip();
    try {
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
    } catch (IOException e) {
      throw new IOException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  /** Makes the journal durable under another name, for who reads it later. */
  void keep(Path name) throws IOException {
    channel.force(true);
    Files.move(file, name, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  void delete() throws IOException {
    Files.deleteIfExists(file);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
