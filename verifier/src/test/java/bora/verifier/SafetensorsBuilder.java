package bora.verifier;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/** Writes safetensors files of I32 and F32 tensors. */
final class SafetensorsBuilder {
  private record Tensor(String dtype, int[] shape, int[] words) {}

  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  SafetensorsBuilder ints(String name, int[] values, int... shape) {
    tensors.put(name, new Tensor("I32", shape, values));
    return this;
  }

  SafetensorsBuilder floats(String name, float[] values, int... shape) {
    int[] words = new int[values.length];
    Arrays.setAll(words, i -> Float.floatToRawIntBits(values[i]));
    tensors.put(name, new Tensor("F32", shape, words));
    return this;
  }

  SafetensorsBuilder without(String name) {
    tensors.remove(name);
    return this;
  }

  /** A reference of these outputs, as sequence {@code index}. */
  SafetensorsBuilder outputs(int index, SequenceOutputs outputs) {
    ints(index + ".input_ids", outputs.tokens(), outputs.tokens().length);
    values(index + ".logits", outputs.logits());
    for (int i = 0; i < outputs.hidden().size(); i++) {
      values(index + ".hidden." + i, outputs.hidden().get(i));
    }
    for (int i = 0; i < outputs.routerLogits().size(); i++) {
      values(index + ".router." + i, outputs.routerLogits().get(i));
    }
    return this;
  }

  private void values(String name, PositionValues values) {
    floats(name, values.values(), values.positions(), values.width());
  }

  Path write(Path file) throws IOException {
    StringBuilder header = new StringBuilder("{\"__metadata__\":{\"producer\":\"test\"}");
    int offset = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      Tensor tensor = entry.getValue();
      int end = offset + tensor.words.length * Integer.BYTES;
      String shape =
          Arrays.stream(tensor.shape).mapToObj(String::valueOf).collect(Collectors.joining(","));
      header.append(",\"").append(entry.getKey()).append("\":{\"dtype\":\"").append(tensor.dtype);
      header.append("\",\"shape\":[").append(shape).append("],\"data_offsets\":[").append(offset);
      header.append(",").append(end).append("]}");
      offset = end;
    }
    byte[] json = header.append("}").toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + offset).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(json.length).put(json);
    tensors.values().forEach(tensor -> Arrays.stream(tensor.words).forEach(bytes::putInt));
    return Files.write(file, bytes.array());
  }
}
