package bora.formats;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/** A file mapped read-only: the one owner of its mapping. */
public final class MappedFile implements AutoCloseable {
  /** Every file that is mapped now: an error does not say which of them it met. */
  private static final Set<MappedFile> MAPPED = ConcurrentHashMap.newKeySet();

  /** What is to be said of files that had been cut short when they were unmapped. */
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
   * Makes something of files that are mapped.
   *
   * @param <M> one mapped file, or several
   * @param <T> what owns them from then on
   */
  @FunctionalInterface
  public interface Opening<M, T> {
    T open(M mapped) throws IOException;
  }

  /**
   * Maps a file and makes something of it; unmaps it where that fails.
   *
   * @throws NoSuchFileException when there is no regular file of that name
   * @throws IOException from the opening; and when the file is cut short meanwhile, which it names
   */
  public static <T> T open(Path path, Opening<MappedFile, T> opening) throws IOException {
    return openAll(List.of(path), files -> opening.open(files.getFirst()));
  }

  /** As {@link #open(Path, Opening)}, of several files, in their order. */
  public static <T> T openAll(List<Path> paths, Opening<List<MappedFile>, T> opening)
      throws IOException {
    List<MappedFile> files = new ArrayList<>();
    boolean opened = false;
    try {
      for (Path path : paths) {
        files.add(open(path));
      }
      T owner = opening.open(List.copyOf(files));
      opened = true;
      return owner;
    } catch (InternalError e) {
      throw unreadable(e);
    } finally {
      if (!opened) {
        files.forEach(MappedFile::close);
      }
    }
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
      MappedFile file =
          new MappedFile(
              path, arena, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
      MAPPED.add(file);
      return file;
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
   * What to say of an error met while mapped files were read, those included that have been
   * unmapped since: the files that were cut short, or else all that are mapped.
   *
   * @throws InternalError the error itself, if it is another
   */
  public static IOException unreadable(InternalError error) {
    if (!isFault(error)) {
      throw error;
    }
    List<String> cut = MAPPED.stream().flatMap(file -> file.cut().stream()).sorted().toList();
    if (cut.isEmpty()) {
      cut = List.copyOf(CUT_SHORT);
    }
    return new IOException(cut.isEmpty() ? unexplained() : String.join("; ", cut), error);
  }

  private static String unexplained() {
    List<String> paths = MAPPED.stream().map(file -> file.path().toString()).sorted().toList();
    return (paths.isEmpty() ? "a file that was in use" : String.join(", ", paths))
        + ": could not be read where it is mapped; does its disk fail?";
  }

  /** What is wrong, where the file has become shorter. */
  private Optional<String> cut() {
    try {
      long found = Files.size(path);
      return found >= bytes.byteSize()
          ? Optional.empty()
          : Optional.of(
              path
                  + ": was cut short while it was in use: expected "
                  + bytes.byteSize()
                  + " bytes, found "
                  + found
                  + "; is it still being copied or downloaded?");
    } catch (IOException e) {
      // Renamed or removed: the mapping still has its bytes.
      return Optional.empty();
    }
  }

  public Path path() {
    return path;
  }

  /** The whole file; valid until this is closed. */
  public MemorySegment bytes() {
    return bytes;
  }

  /**
   * Whether bytes stand at a place of what is mapped. Compares a copy: where the file was cut
   * short, the processor's own instructions for comparing would end the virtual machine.
   */
  public static boolean hasAt(MemorySegment mapped, long offsetBytes, byte[] expected) {
    return offsetBytes <= mapped.byteSize() - expected.length
        && Arrays.equals(
            mapped.asSlice(offsetBytes, expected.length).toArray(ValueLayout.JAVA_BYTE), expected);
  }

  /** Unmaps the file. */
  @Override
  public void close() {
    cut().ifPresent(CUT_SHORT::add);
    MAPPED.remove(this);
    arena.close();
  }
}
