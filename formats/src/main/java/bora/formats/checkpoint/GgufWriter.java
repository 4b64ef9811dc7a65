package bora.formats.checkpoint;

import bora.formats.PartialFile;
import bora.formats.ProgressListener;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * Writes a model as a GGUF file of llama.cpp's architecture "llama": rows of queries and keys
 * interleaved, the experts of a projection merged into one tensor. One row is in memory at a time.
 */
public final class GgufWriter {
  private static final int CHUNK_BYTES = 1 << 20;

  /** Where the weights come from. */
  @FunctionalInterface
  public interface Rows {
    /**
     * Reads one row.
     *
     * @param row 0 for a vector
     * @param values receives as many values as the tensor has columns
     */
    void read(TensorKey key, int row, float[] values) throws IOException;
  }

  private final ModelConfig config;
  private final Map<TensorKey, WeightType> types;
  private final Rows rows;
  private final ProgressListener progress;
  private final Map<TensorKey, TensorShape> shapes;

  /** The keys whose rows make up one tensor of the file, in order. */
  private final SequencedMap<String, List<TensorKey>> tensors;

  private GgufWriter(
      ModelConfig config, Map<TensorKey, WeightType> types, Rows rows, ProgressListener progress) {
    this.config = config;
    this.types = types;
    this.rows = rows;
    this.progress = progress;
    this.shapes = config.tensors();
    this.tensors = GgufNames.tensors(config);
  }

  /**
   * Writes a file; until it is whole an older one under its name stays as it is.
   *
   * @param vocabulary empty for a model that is given token ids
   * @param types F32, BF16 or Q8_0 of every tensor; one for all experts of a layer's projection
   * @param progress hears of rows written
   * @throws IllegalArgumentException when a type cannot hold a tensor, or experts differ
   */
  public static void write(
      Path out,
      ModelConfig config,
      Optional<GgufVocabulary> vocabulary,
      Map<TensorKey, WeightType> types,
      Rows rows,
      ProgressListener progress)
      throws IOException {
    GgufWriter writer = new GgufWriter(config, types, rows, progress);
    byte[] header = writer.header(vocabulary);
    PartialFile.write(out, file -> writer.writeAll(file, header));
  }

  private byte[] header(Optional<GgufVocabulary> vocabulary) {
    GgufHeaderWriter header = new GgufHeaderWriter();
    header.putConfig(config, types.values());
    header.putVocabulary(config, vocabulary);
    long offsetBytes = 0;
    for (Map.Entry<String, List<TensorKey>> tensor : tensors.entrySet()) {
      WeightType type = typeOf(tensor.getValue());
      header.putTensor(tensor.getKey(), dimensions(tensor.getValue()), type, offsetBytes);
      long end = Math.addExact(offsetBytes, byteSize(tensor.getValue()));
      offsetBytes = Encoding.alignUp(end, GgufHeader.DEFAULT_ALIGNMENT);
    }
    return header.toBytes();
  }

  private WeightType typeOf(List<TensorKey> keys) {
    WeightType type = types.get(keys.getFirst());
    TensorShape shape = shapeOf(keys.getFirst());
    if (keys.stream().anyMatch(key -> types.get(key) != type)) {
      throw new IllegalArgumentException(keys.getFirst() + " and its siblings differ in type");
    }
    if (shape.columns() % type.blockElements() != 0) {
      throw new IllegalArgumentException(type + " cannot hold " + keys.getFirst() + " " + shape);
    }
    return type;
  }

  private TensorShape shapeOf(TensorKey key) {
    return shapes.get(key);
  }

  private List<Long> dimensions(List<TensorKey> keys) {
    List<Long> dimensions = new ArrayList<>();
    if (GgufNames.isMerged(keys.getFirst(), config.architecture())) {
      dimensions.add((long) keys.size());
    }
    shapeOf(keys.getFirst()).dimensions().forEach(size -> dimensions.add((long) size));
    return dimensions;
  }

  private long byteSize(List<TensorKey> keys) {
    long elements = Math.multiplyExact(shapeOf(keys.getFirst()).elementCount(), (long) keys.size());
    return typeOf(keys).bytes(elements);
  }

  private void writeAll(PartialFile file, byte[] header) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    file.append(ByteBuffer.wrap(header));
    for (List<TensorKey> keys : tensors.values()) {
      for (TensorKey key : keys) {
        buffer = writeTensor(file, buffer, key);
      }
      flush(file, buffer);
      long end = file.byteSize();
      int padding = (int) (Encoding.alignUp(end, GgufHeader.DEFAULT_ALIGNMENT) - end);
      file.append(ByteBuffer.allocate(padding));
    }
  }

  private ByteBuffer writeTensor(PartialFile file, ByteBuffer buffer, TensorKey key)
      throws IOException {
    TensorShape shape = shapeOf(key);
    WeightType type = types.get(key);
    RowPlacement placement = new GgufNames().placesOf(key, shape, config).getFirst().rows();
    float[] values = new float[shape.columns()];
    int rowBytes = Math.toIntExact(type.bytes(shape.columns()));
    ByteBuffer room =
        rowBytes <= buffer.capacity()
            ? buffer
            : ByteBuffer.allocateDirect(rowBytes).order(ByteOrder.LITTLE_ENDIAN);
    for (int stored = 0; stored < shape.rows(); stored++) {
      int row =
          placement instanceof RowPlacement.InterleavedHalves halves
              ? halves.rowAt(stored)
              : stored;
      rows.read(key, row, values);
      if (room.remaining() < rowBytes) {
        flush(file, room);
      }
      WeightEncoder.encode(type, values, room);
      progress.advance(1);
    }
    return room;
  }

  private static void flush(PartialFile file, ByteBuffer buffer) throws IOException {
    file.append(buffer.flip());
    buffer.clear();
  }
}
