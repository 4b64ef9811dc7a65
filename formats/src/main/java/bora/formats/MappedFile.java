package bora.formats;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** A file mapped read-only: the one owner of its mapping. */
public final class MappedFile implements AutoCloseable {
  /** Files that were cut short while they were mapped, in the order in which that was noticed. */
  private static final Queue<String> CUT_SHORT = new ConcurrentLinkedQueue<>();

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

  /**
   * What to say of an error that has ended the use of every file: by then only this knows which of
   * them was cut short. Owners that still hold theirs say more with {@link #unreadable}.
   *
   * @param fault one of which {@link #isFault} holds
   */
  public static String explain(InternalError fault) {
    return CUT_SHORT.isEmpty()
        ? "a file that is in use could not be read: " + fault.getMessage() + "; does its disk fail?"
        : String.join("; ", CUT_SHORT);
  }

  private void noticeCut() {
    long found;
    try {
      found = Files.size(path);
    } catch (IOException e) {
      // Renamed or removed: the mapping still has its bytes.
      return;
    }
    if (found < bytes.byteSize()) {
      CUT_SHORT.add(
          path
              + ": was cut short while it was in use: expected "
              + bytes.byteSize()
              + " bytes, found "
              + found);
    }
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
    noticeCut();
    arena.close();
  }
}
