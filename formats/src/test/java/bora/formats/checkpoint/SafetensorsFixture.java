package bora.formats.checkpoint;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Writes safetensors files: valid ones tensor by tensor, and any others from a header's literal
 * text. Knows nothing of the classes that read them.
 */
public final class SafetensorsFixture {
  private record Tensor(String dtype, long[] shape, byte[] bytes) {}

  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  /** Appends a tensor; its bytes stand behind those of the tensor added before. */
  public SafetensorsFixture tensor(String name, String dtype, byte[] bytes, long... shape) {
    tensors.put(name, new Tensor(dtype, shape, bytes));
    return this;
  }

  public SafetensorsFixture metadata(String key, String value) {
    metadata.put(key, value);
    return this;
  }

  /** The file, its header padded with spaces to a multiple of 8 as the format's library does. */
  public byte[] toBytes() {
    ObjectNode header = StrictJson.newObject();
    if (!metadata.isEmpty()) {
      metadata.forEach(header.putObject("__metadata__")::put);
    }
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    tensors.forEach(
        (name, tensor) -> {
          ObjectNode node = header.putObject(name).put("dtype", tensor.dtype());
          Arrays.stream(tensor.shape()).forEach(node.putArray("shape")::add);
          int begin = data.size();
          data.writeBytes(tensor.bytes());
          node.putArray("data_offsets").add(begin).add(data.size());
        });
    String json = header.toString();
    int length = json.getBytes(StandardCharsets.UTF_8).length;
    return file(json + " ".repeat((8 - length % 8) % 8), data.toByteArray());
  }

  public Path write(Path file) throws IOException {
    return Files.write(file, toBytes());
  }

  /** A file of any header and data, the header's length told truly. */
  public static byte[] file(String header, byte[] data) {
    return file(header.getBytes(StandardCharsets.UTF_8), data);
  }

  /** A file of any header and data, the header's length told truly. */
  public static byte[] file(byte[] header, byte[] data) {
    return ByteBuffer.allocate(8 + header.length + data.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(header.length)
        .put(header)
        .put(data)
        .array();
  }
}
