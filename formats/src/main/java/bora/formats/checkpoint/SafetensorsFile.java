package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.encoding.LittleEndian;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Map;
import java.util.SortedMap;

/**
 * A mapped safetensors file, validated whole before the first slice: the header is JSON without
 * duplicate keys, tensors cover the data without holes or overlaps, every size is shape times
 * dtype.
 *
 * <p>Format: {@code README.md} of github.com/huggingface/safetensors, section "Format".
 */
public final class SafetensorsFile implements AutoCloseable {
  /** Longest header accepted, as in the format's own library. */
  static final long MAX_HEADER_BYTES = 100_000_000;

  private static final int LENGTH_BYTES = 8;

  private final MappedFile file;
  private final SafetensorsHeader header;

  private SafetensorsFile(MappedFile file, SafetensorsHeader header) {
    this.file = file;
    this.header = header;
  }

  /**
   * Maps and validates a file.
   *
   * @throws CorruptFileException when the content breaks the format
   * @throws java.nio.file.NoSuchFileException when there is no such file
   */
  public static SafetensorsFile open(Path path) throws IOException {
    return MappedFile.open(path, SafetensorsFile::of);
  }

  /** Validates a file, which is closed by who gets it. */
  static SafetensorsFile of(MappedFile file) throws IOException {
    LfsPointer.refuse(file);
    long headerBytes = headerLength(file.path(), file.bytes());
    byte[] json = file.bytes().asSlice(LENGTH_BYTES, headerBytes).toArray(ValueLayout.JAVA_BYTE);
    MemorySegment data = file.bytes().asSlice(LENGTH_BYTES + headerBytes);
    return new SafetensorsFile(file, SafetensorsHeader.parse(file.path(), json, data));
  }

  private static long headerLength(Path path, MemorySegment file) throws CorruptFileException {
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

  public Path path() {
    return file.path();
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
    return file.bytes();
  }

  /** Where the tensors' data starts. */
  long dataOffsetBytes() {
    return file.bytes().byteSize() - header.dataBytes();
  }

  /** Unmaps the file; its entries' bytes must no longer be used. */
  @Override
  public void close() {
    file.close();
  }
}
