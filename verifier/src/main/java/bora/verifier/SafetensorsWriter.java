package bora.verifier;

import bora.formats.PartialFile;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** A safetensors file of I32 and F32 tensors, kept in memory until it is written whole. */
final class SafetensorsWriter {
  private static final int HEADER_ALIGNMENT = 8;

  private record Tensor(String dtype, int[] shape, ByteBuffer bytes) {}

  private final SortedMap<String, Tensor> tensors = new TreeMap<>();
  private final SortedMap<String, String> metadata = new TreeMap<>();

  void describe(String key, String value) {
    metadata.put(key, value);
  }

  void ints(String name, int[] values, int... shape) {
    ByteBuffer bytes = room(values.length, shape);
    bytes.asIntBuffer().put(values);
    tensors.put(name, new Tensor("I32", shape, bytes));
  }

  void floats(String name, float[] values, int... shape) {
    ByteBuffer bytes = room(values.length, shape);
    bytes.asFloatBuffer().put(values);
    tensors.put(name, new Tensor("F32", shape, bytes));
  }

  private static ByteBuffer room(int count, int[] shape) {
    int elements = Arrays.stream(shape).reduce(1, Math::multiplyExact);
    if (elements != count) {
      throw new IllegalArgumentException(
          "shape " + Arrays.toString(shape) + " does not hold " + count + " values");
    }
    return ByteBuffer.allocate(Math.multiplyExact(count, Integer.BYTES))
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Writes everything under another name first, so that no half file is ever found under this. */
  void write(Path out) throws IOException {
    byte[] header = header();
    PartialFile.write(
        out,
        file -> {
          file.append(
              ByteBuffer.allocate(Long.BYTES)
                  .order(ByteOrder.LITTLE_ENDIAN)
                  .putLong(header.length)
                  .flip());
          file.append(ByteBuffer.wrap(header));
          for (Tensor tensor : tensors.values()) {
            file.append(ByteBuffer.wrap(tensor.bytes.array()));
          }
        });
  }

  /** JSON, filled up with spaces. */
  private byte[] header() {
    ObjectNode root = StrictJson.newObject();
    ObjectNode described = root.putObject("__metadata__");
    metadata.forEach(described::put);
    long offset = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      Tensor tensor = entry.getValue();
      ObjectNode node = root.putObject(entry.getKey()).put("dtype", tensor.dtype);
      ArrayNode shape = node.putArray("shape");
      Arrays.stream(tensor.shape).forEach(shape::add);
      long end = Math.addExact(offset, tensor.bytes.capacity());
      node.putArray("data_offsets").add(offset).add(end);
      offset = end;
    }
    byte[] json = StrictJson.toBytes(root);
    int length = Math.ceilDiv(json.length, HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
    byte[] padded = Arrays.copyOf(json, length);
    Arrays.fill(padded, json.length, length, (byte) ' ');
    return padded;
  }
}
