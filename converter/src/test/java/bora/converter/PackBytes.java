package bora.converter;

import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackEntry;
import bora.formats.pack.PackReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** A pack's bytes, to be damaged on purpose; {@code docs/encodings.md} says what they mean. */
final class PackBytes {
  private final ByteBuffer bytes;
  private final Map<TensorKey, PackEntry> entries;

  private PackBytes(byte[] bytes, Map<TensorKey, PackEntry> entries) {
    this.bytes = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    this.entries = entries;
  }

  static PackBytes of(Path file) throws IOException {
    try (PackReader pack = PackReader.open(file)) {
      return new PackBytes(Files.readAllBytes(file), new HashMap<>(pack.manifest().entries()));
    }
  }

  Path write(Path file) throws IOException {
    return Files.write(file, bytes.array());
  }

  private int startOf(TensorKey key) {
    return (int) entries.get(key).range().offsetBytes();
  }

  /** Two tensors of the same encoding and shape. */
  void exchange(TensorKey first, TensorKey second) {
    byte[] held = new byte[(int) entries.get(first).range().lengthBytes()];
    byte[] other = new byte[(int) entries.get(second).range().lengthBytes()];
    bytes.get(startOf(first), held);
    bytes.get(startOf(second), other);
    bytes.put(startOf(first), other);
    bytes.put(startOf(second), held);
  }

  /** Adds one to the exponent of a row's scale; grids and trellis codes both begin with scales. */
  void doubleRowScale(TensorKey key, int row) {
    int at = startOf(key) + (int) ScalarGrid.rowScaleOffsetBytes(row);
    bytes.putShort(at, (short) (bytes.getShort(at) + 0x80));
  }

  /** The sub-scale of a row's second block, by 15 %. */
  void stepSubScale(TensorKey key, int row) {
    int at = startOf(key) + (int) ScalarGrid.subScalesOffsetBytes(1);
    int shift = 4 * row;
    long word = bytes.getLong(at);
    boolean last = (word >>> shift & 15) == 15;
    bytes.putLong(at, last ? word - (1L << shift) : word + (1L << shift));
  }

  /** A bit of the first row's first code. */
  void flipCode(TensorKey key) {
    PackEntry entry = entries.get(key);
    int at = startOf(key) + (int) entry.encoding().codesOffsetBytes(entry.shape().columns());
    bytes.put(at, (byte) (bytes.get(at) ^ 2));
  }

  /** One weight of a norm that is stored in bf16, twice as large. */
  void doubleBFloat16(TensorKey vector, int index) {
    int at = startOf(vector) + 2 * index;
    bytes.putShort(at, (short) (bytes.getShort(at) + 0x80));
  }
}
