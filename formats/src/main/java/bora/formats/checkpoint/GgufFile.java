package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.encoding.Encoding;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A mapped GGUF file, its header validated: every tensor lies within the file at the alignment, is
 * as long as its shape and type ask for, and overlaps no other.
 */
final class GgufFile implements WeightFile {
  /** The largest vocabularies take a few megabytes. */
  private static final long MAX_HEADER_BYTES = 256L << 20;

  private final MappedFile file;
  private final GgufHeader header;
  private final long dataOffsetBytes;
  private final List<StoredTensor> tensors;

  private GgufFile(
      MappedFile file, GgufHeader header, long dataOffsetBytes, List<StoredTensor> tensors) {
    this.file = file;
    this.header = header;
    this.dataOffsetBytes = dataOffsetBytes;
    this.tensors = tensors;
  }

  /** Whether a file begins as GGUF files do. */
  static boolean isGguf(Path path) throws IOException {
    if (!Files.isRegularFile(path)) {
      return false;
    }
    try (var in = Files.newInputStream(path)) {
      byte[] magic = in.readNBytes(GgufHeader.MAGIC.length());
      return new String(magic, StandardCharsets.ISO_8859_1).equals(GgufHeader.MAGIC);
    }
  }

  /**
   * Maps and validates a file.
   *
   * @throws CorruptFileException when the content breaks the format
   * @throws bora.formats.UnsupportedVersionException when its version is not read
   */
  static GgufFile open(Path path) throws IOException {
    return MappedFile.open(path, GgufFile::of);
  }

  /** Validates a file, which is closed by who gets it. */
  static GgufFile of(MappedFile file) throws IOException {
    Path path = file.path();
    long fileBytes = file.bytes().byteSize();
    MemorySegment headerAtMost = file.bytes().asSlice(0, Math.min(MAX_HEADER_BYTES, fileBytes));
    GgufHeader header = GgufHeader.read(path, headerAtMost);
    int alignment = header.alignmentBytes();
    long dataOffset = Math.min(Encoding.alignUp(header.lengthBytes(), alignment), fileBytes);
    MemorySegment data = file.bytes().asSlice(dataOffset);
    return new GgufFile(file, header, dataOffset, tensors(path, header, alignment, data));
  }

  private static List<StoredTensor> tensors(
      Path path, GgufHeader header, int alignment, MemorySegment data) throws CorruptFileException {
    List<GgufHeader.Info> infos = new ArrayList<>(header.tensors());
    infos.sort(Comparator.comparingLong(GgufHeader.Info::offsetBytes));
    List<StoredTensor> tensors = new ArrayList<>();
    Set<String> names = new HashSet<>();
    long end = 0;
    for (GgufHeader.Info info : infos) {
      if (!names.add(info.name())) {
        throw wrong(path, info, "expected it once, found it twice");
      }
      if (info.offsetBytes() < end || info.offsetBytes() % alignment != 0) {
        throw wrong(
            path,
            info,
            "expected to start at a multiple of "
                + alignment
                + " from byte "
                + end
                + " of the data, found "
                + info.offsetBytes());
      }
      StoredTensor tensor = stored(path, info, data);
      end = info.offsetBytes() + tensor.bytes().byteSize();
      tensors.add(tensor);
    }
    tensors.sort(Comparator.comparing(StoredTensor::name));
    return List.copyOf(tensors);
  }

  private static StoredTensor stored(Path path, GgufHeader.Info info, MemorySegment data)
      throws CorruptFileException {
    long bytes = byteSize(path, info);
    if (bytes > data.byteSize() - info.offsetBytes()) {
      throw wrong(
          path,
          info,
          "expected "
              + bytes
              + " bytes from byte "
              + info.offsetBytes()
              + " of the data, found data of "
              + data.byteSize()
              + "; was the download cut short?");
    }
    return new StoredTensor(
        path,
        info.name(),
        info.type().name(),
        info.type().weightType(),
        info.dimensions(),
        data.asSlice(info.offsetBytes(), bytes));
  }

  private static long byteSize(Path path, GgufHeader.Info info) throws CorruptFileException {
    GgmlType type = info.type();
    List<Long> dimensions = info.dimensions();
    long columns = dimensions.isEmpty() ? 1 : dimensions.getLast();
    if (columns % type.blockElements() != 0) {
      throw wrong(
          path,
          info,
          "expected rows of a multiple of " + type.blockElements() + ", found " + dimensions);
    }
    try {
      long bytes = type.blockBytes();
      for (int i = 0; i < dimensions.size(); i++) {
        boolean innermost = i == dimensions.size() - 1;
        long count = innermost ? columns / type.blockElements() : dimensions.get(i);
        if (count < 0) {
          throw wrong(path, info, "expected sizes below 2^63, found " + dimensions);
        }
        bytes = Math.multiplyExact(bytes, count);
      }
      return bytes;
    } catch (ArithmeticException e) {
      throw new CorruptFileException(
          path, "tensor `" + info.name() + "`: shape " + dimensions + " overflows", e);
    }
  }

  private static CorruptFileException wrong(Path path, GgufHeader.Info info, String problem) {
    return new CorruptFileException(path, "tensor `" + info.name() + "`: " + problem);
  }

  /** The metadata by key. */
  Map<String, GgufValue> metadata() {
    return header.metadata();
  }

  @Override
  public Path path() {
    return file.path();
  }

  @Override
  public List<StoredTensor> tensors() {
    return tensors;
  }

  @Override
  public MemorySegment bytes() {
    return file.bytes();
  }

  @Override
  public MemorySegment header() {
    return file.bytes().asSlice(0, dataOffsetBytes);
  }

  @Override
  public MemorySegment data() {
    return file.bytes().asSlice(dataOffsetBytes);
  }

  @Override
  public void close() {
    file.close();
  }
}
