package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.encoding.LittleEndian;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.SortedMap;

/**
 * A mapped safetensors file, validated whole before the first slice: the header is JSON without
 * duplicate keys, tensors cover the data without holes or overlaps, every size is shape times dtype.
 *
 * <p>Format: {@code README.md} of github.com/huggingface/safetensors, section "Format".
 */
public final class SafetensorsFile implements AutoCloseable {
  /** Longest header accepted, as in the format's own library. */
  static final long MAX_HEADER_BYTES = 100_000_000;

  private static final int LENGTH_BYTES = 8;
  private static final String LFS_POINTER = "version https://git-lfs";

  private final Path path;
  private final Arena arena;
  private final MemorySegment file;
  private final SafetensorsHeader header;

  private SafetensorsFile(Path path, Arena arena, MemorySegment file, SafetensorsHeader header) {
    this.path = path;
    this.arena = arena;
    this.file = file;
    this.header = header;
  }

  /**
   * Maps and validates a file.
   *
   * @throws CorruptFileException when the content breaks the format
   * @throws NoSuchFileException when there is no such file
   */
  public static SafetensorsFile open(Path path) throws IOException {
    if (!Files.isRegularFile(path)) {
      throw new NoSuchFileException(path.toString(), null, "no such file");
    }
    Arena arena = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      MemorySegment file =
          channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      long headerBytes = headerLength(path, file);
      byte[] json = file.asSlice(LENGTH_BYTES, headerBytes).toArray(ValueLayout.JAVA_BYTE);
      MemorySegment tensors = file.asSlice(LENGTH_BYTES + headerBytes);
      return new SafetensorsFile(
          path, arena, file, SafetensorsHeader.parse(path, json, tensors));
    } catch (IOException | RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  private static long headerLength(Path path, MemorySegment file) throws CorruptFileException {
    refuseLfsPointer(path, file);
    long fileBytes = file.byteSize();
    if (fileBytes < LENGTH_BYTES) {
      throw new CorruptFileException(
          path, "too short for a safetensors file: expected at least 8 bytes, found " + fileBytes);
    }
    long headerBytes = file.get(LittleEndian.LONG, 0);
    if (headerBytes < 0 || headerBytes > MAX_HEADER_BYTES) {
      throw new CorruptFileException(
          path,
          "header length: expected at most "
              + MAX_HEADER_BYTES
              + ", found "
              + Long.toUnsignedString(headerBytes)
              + "; is this a safetensors file?");
    }
    if (headerBytes > fileBytes - LENGTH_BYTES) {
      throw new CorruptFileException(
          path,
          "header goes beyond the file: expected "
              + headerBytes
              + " bytes of header, found "
              + (fileBytes - LENGTH_BYTES)
              + "; was the download cut short?");
    }
    return headerBytes;
  }

  private static void refuseLfsPointer(Path path, MemorySegment file) throws CorruptFileException {
    byte[] pointer = LFS_POINTER.getBytes(StandardCharsets.US_ASCII);
    if (file.byteSize() >= pointer.length
        && file.asSlice(0, pointer.length).mismatch(MemorySegment.ofArray(pointer)) < 0) {
      throw new CorruptFileException(
          path,
          "expected weights, found a Git LFS pointer; run `git lfs pull` in the checkpoint's"
              + " directory");
    }
  }

  public Path path() {
    return path;
  }

  /** The tensors by name, sorted. */
  public SortedMap<String, SafetensorsEntry> entries() {
    return header.entries();
  }

  /** What stands under {@code __metadata__}. */
  public Map<String, String> metadata() {
    return header.metadata();
  }

  /** The whole file, read-only. */
  MemorySegment bytes() {
    return file;
  }

  /** Where the tensors' data starts. */
  long dataOffsetBytes() {
    return file.byteSize() - header.dataBytes();
  }

  /** Unmaps the file; its entries' bytes must no longer be used. */
  @Override
  public void close() {
    arena.close();
  }
}
