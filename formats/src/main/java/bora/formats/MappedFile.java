package bora.formats;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A file mapped read-only: the one owner of its mapping. */
public final class MappedFile implements AutoCloseable {
  private final Path path;
  private final Arena arena;
  private final MemorySegment bytes;

  private MappedFile(Path path, Arena arena, MemorySegment bytes) {
    this.path = path;
    this.arena = arena;
    this.bytes = bytes;
  }

  /**
   * @throws NoSuchFileException when there is no regular file of that name
   */
  @SuppressWarnings("MustBeClosedChecker") // the mapping outlives this method; close() ends it
  public static MappedFile open(Path path) throws IOException {
    if (!Files.isRegularFile(path)) {
      throw new NoSuchFileException(path.toString(), null, "no such file");
    }
    Arena arena = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      return new MappedFile(
          path, arena, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
    } catch (IOException | RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /**
   * Whether an error is the one that the virtual machine raises, in time but not always at the very
   * read, when bytes of a mapped file cannot be had: the file was cut short, or its disk failed.
   */
  public static boolean isFault(InternalError error) {
    return String.valueOf(error.getMessage()).contains("unsafe memory access");
  }

  /**
   * What to say of an error met while this file was read.
   *
   * @throws InternalError the error itself, if it is another
   */
  public IOException unreadable(InternalError error) {
    if (!isFault(error)) {
      throw error;
    }
    return new IOException(
        path
            + ": could not be read where it is mapped: expected "
            + bytes.byteSize()
            + " bytes; was it cut short, or does its disk fail?",
        error);
  }

  public Path path() {
    return path;
  }

  /** The whole file; valid until this is closed. */
  public MemorySegment bytes() {
    return bytes;
  }

  /** Unmaps the file. */
  @Override
  public void close() {
    arena.close();
  }
}
