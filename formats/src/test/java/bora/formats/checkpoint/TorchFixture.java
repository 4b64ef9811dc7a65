package bora.formats.checkpoint;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Writes what {@code torch.save} writes: a zip archive whose {@code data.pkl} is an OrderedDict of
 * tensors, opcode by opcode as Python's pickler of protocol 2 does. Knows nothing of the classes
 * that read it.
 */
final class TorchFixture {
  private record Tensor(String storageType, long[] shape, byte[] bytes) {}

  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final ByteArrayOutputStream pickle = new ByteArrayOutputStream();

  /**
   * @param dtype as safetensors calls it
   */
  TorchFixture tensor(String name, String dtype, byte[] bytes, long... shape) {
    String storageType =
        switch (dtype) {
          case "F32" -> "FloatStorage";
          case "F16" -> "HalfStorage";
          case "BF16" -> "BFloat16Storage";
          case "I64" -> "LongStorage";
          default -> throw new IllegalArgumentException(dtype);
        };
    tensors.put(name, new Tensor(storageType, shape, bytes));
    return this;
  }

  /** A tensor that is another's storage again. */
  TorchFixture sharing(String name, String owner) {
    tensors.put(name, tensors.get(owner));
    return this;
  }

  Path write(Path file) throws IOException {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    entries.put("data.pkl", pickle());
    entries.put("byteorder", bytes("little"));
    storages().forEach((tensor, key) -> entries.put("data/" + key, tensor.bytes()));
    entries.put("version", bytes("3\n"));
    return archive(file, entries, ZipEntry.STORED);
  }

  private Map<Tensor, Integer> storages() {
    Map<Tensor, Integer> keys = new LinkedHashMap<>();
    tensors.values().forEach(tensor -> keys.putIfAbsent(tensor, keys.size()));
    return keys;
  }

  /** A zip archive with all entries in one folder. */
  static Path archive(Path file, Map<String, byte[]> entries, int method) throws IOException {
    try (OutputStream out = Files.newOutputStream(file);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      for (Map.Entry<String, byte[]> content : entries.entrySet()) {
        ZipEntry entry = new ZipEntry("archive/" + content.getKey());
        entry.setMethod(method);
        if (method == ZipEntry.STORED) {
          CRC32 crc = new CRC32();
          crc.update(content.getValue());
          entry.setCrc(crc.getValue());
          entry.setSize(content.getValue().length);
        }
        zip.putNextEntry(entry);
        zip.write(content.getValue());
        zip.closeEntry();
      }
    }
    return file;
  }

  private byte[] pickle() {
    op("\u0080\u0002ccollections\nOrderedDict\nq\u0000)Rq\u0001(");
    Map<Tensor, Integer> storages = storages();
    for (Map.Entry<String, Tensor> tensor : tensors.entrySet()) {
      text(tensor.getKey());
      tensor(storages.get(tensor.getValue()), tensor.getValue());
    }
    op("u}");
    text("_metadata");
    op("h\u0000)R");
    text("");
    op("}");
    text("version");
    op("K\u0001sssb.");
    return pickle.toByteArray();
  }

  private void tensor(int key, Tensor tensor) {
    long elements = 1;
    for (long dimension : tensor.shape()) {
      elements *= dimension;
    }
    op("ctorch._utils\n_rebuild_tensor_v2\n((");
    text("storage");
    op("ctorch\n" + tensor.storageType() + "\n");
    text(Integer.toString(key));
    text("cpu");
    integer(elements);
    op("tQK\u0000(");
    for (long dimension : tensor.shape()) {
      integer(dimension);
    }
    op("t(");
    long stride = elements;
    for (long dimension : tensor.shape()) {
      stride /= dimension;
      integer(stride);
    }
    op("t\u0089h\u0000)RtR");
  }

  private void op(String latin1) {
    pickle.writeBytes(latin1.getBytes(StandardCharsets.ISO_8859_1));
  }

  private void text(String text) {
    op("X");
    byte[] utf8 = bytes(text);
    pickle.writeBytes(littleEndian(4).putInt(utf8.length).array());
    pickle.writeBytes(utf8);
  }

  private void integer(long value) {
    op("J");
    pickle.writeBytes(littleEndian(4).putInt(Math.toIntExact(value)).array());
  }

  private static ByteBuffer littleEndian(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
