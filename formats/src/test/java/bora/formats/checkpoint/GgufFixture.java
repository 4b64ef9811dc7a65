package bora.formats.checkpoint;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes GGUF files tensor by tensor. Knows nothing of the classes that read them. */
final class GgufFixture {
  private record Tensor(int type, long[] shape, byte[] bytes) {}

  private final Map<String, Object> metadata = new LinkedHashMap<>();
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private int version = 3;
  private int alignment = 32;

  GgufFixture version(int version) {
    this.version = version;
    return this;
  }

  GgufFixture alignment(int alignment) {
    this.alignment = alignment;
    return metadata("general.alignment", alignment);
  }

  /**
   * @param value an Integer (u32), Long (u64), Float, Boolean, String, or a list of strings
   */
  GgufFixture metadata(String key, Object value) {
    metadata.put(key, value);
    return this;
  }

  GgufFixture withoutMetadata(String key) {
    metadata.remove(key);
    return this;
  }

  /**
   * @param type number of a ggml type
   * @param shape outermost first
   */
  GgufFixture tensor(String name, int type, byte[] bytes, long... shape) {
    tensors.put(name, new Tensor(type, shape, bytes));
    return this;
  }

  Path write(Path file) throws IOException {
    return Files.write(file, toBytes());
  }

  byte[] toBytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
    putInt(out, version);
    putLong(out, tensors.size());
    putLong(out, metadata.size());
    metadata.forEach(
        (key, value) -> {
          putText(out, key);
          putValue(out, value);
        });
    long offset = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      Tensor tensor = entry.getValue();
      putText(out, entry.getKey());
      putInt(out, tensor.shape().length);
      for (int i = tensor.shape().length - 1; i >= 0; i--) {
        putLong(out, tensor.shape()[i]);
      }
      putInt(out, tensor.type());
      putLong(out, offset);
      offset += Math.ceilDiv(tensor.bytes().length, alignment) * (long) alignment;
    }
    for (Tensor tensor : tensors.values()) {
      out.writeBytes(new byte[Math.floorMod(-out.size(), alignment)]);
      out.writeBytes(tensor.bytes());
    }
    return out.toByteArray();
  }

  private static void putValue(ByteArrayOutputStream out, Object value) {
    switch (value) {
      case Integer whole -> {
        putInt(out, 4);
        putInt(out, whole);
      }
      case Float real -> {
        putInt(out, 6);
        putInt(out, Float.floatToRawIntBits(real));
      }
      case Boolean flag -> {
        putInt(out, 7);
        out.write(flag ? 1 : 0);
      }
      case String text -> {
        putInt(out, 8);
        putText(out, text);
      }
      case Long whole -> {
        putInt(out, 10);
        putLong(out, whole);
      }
      case List<?> texts -> {
        putInt(out, 9);
        putInt(out, 8);
        putLong(out, texts.size());
        texts.forEach(text -> putText(out, text.toString()));
      }
      default -> throw new IllegalArgumentException(value.toString());
    }
  }

  private static void putText(ByteArrayOutputStream out, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    putLong(out, utf8.length);
    out.writeBytes(utf8);
  }

  private static void putInt(ByteArrayOutputStream out, int value) {
    out.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
  }

  private static void putLong(ByteArrayOutputStream out, long value) {
    out.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
  }
}
