package bora.formats.pack;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import bora.formats.model.TestConfigs;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Writes a tiny pack: every encoding of format 1.0 occurs, every byte follows from the tensor's
 * key, and the bytes are valid: positive row scales, zeros beyond the last row and column.
 */
public final class PackFixture {
  static final Provenance PROVENANCE =
      new Provenance(
          "0.1.0",
          List.of(
              new Provenance.Source("config.json", 700, "0".repeat(63) + "1"),
              new Provenance.Source("model.safetensors", 123_456, "0".repeat(63) + "2")),
          "0".repeat(63) + "3",
          "mixed",
          "0".repeat(63) + "4",
          Optional.of("0".repeat(63) + "5"));

  private static final byte[] TOKENIZER = "{\"model\":{}}".getBytes(StandardCharsets.UTF_8);
  private static final byte[] LICENSE = "Apache-2.0\n".getBytes(StandardCharsets.UTF_8);

  private final ModelConfig config;

  private PackFixture(ModelConfig config) {
    this.config = config;
  }

  public static PackFixture of(ModelConfig config) {
    return new PackFixture(config);
  }

  /** One layer of two experts. */
  public static PackFixture tiny() {
    return of(TestConfigs.config(Architecture.MIXTRAL, 1, 2, 1, false));
  }

  ModelConfig config() {
    return config;
  }

  /** Norms in f32, the router in bf16, and the matrices in every encoding in turn. */
  Map<TensorKey, Encoding> encodings() {
    Map<TensorKey, Encoding> encodings = new LinkedHashMap<>();
    List<Encoding> turn =
        List.of(Encoding.Q4, Encoding.Q6, Encoding.Q8, Encoding.BF16, Encoding.F32);
    for (TensorKey key : config.tensors().keySet()) {
      Encoding encoding = turn.get(encodings.size() % turn.size());
      if (key.role().isExact()) {
        encoding = key.role().isNorm() ? Encoding.F32 : Encoding.BF16;
      }
      encodings.put(key, encoding);
    }
    return encodings;
  }

  /** The attachments: two files and one that is empty. */
  static SortedMap<String, byte[]> attachments() {
    SortedMap<String, byte[]> attachments = new TreeMap<>();
    attachments.put("tokenizer.json", TOKENIZER);
    attachments.put("LICENSE", LICENSE);
    attachments.put("NOTICE", new byte[0]);
    return attachments;
  }

  PackLayout layout() {
    SortedMap<String, Long> lengths = new TreeMap<>();
    attachments().forEach((name, bytes) -> lengths.put(name, (long) bytes.length));
    return PackLayout.of(config, encodings(), lengths);
  }

  /** The encoded bytes of every tensor, in canonical order. */
  SequencedMap<TensorKey, byte[]> tensors() {
    SequencedMap<TensorKey, byte[]> tensors = new LinkedHashMap<>();
    Map<TensorKey, Encoding> encodings = encodings();
    config
        .tensors()
        .forEach((key, shape) -> tensors.put(key, encode(key, encodings.get(key), shape)));
    return tensors;
  }

  public Path write(Path out) throws IOException {
    try (PackWriter writer = PackWriter.create(out, layout())) {
      for (Map.Entry<TensorKey, byte[]> tensor : tensors().entrySet()) {
        append(writer, tensor.getKey(), tensor.getValue());
      }
      attachAll(writer);
      writer.finish(PROVENANCE);
    }
    return out;
  }

  static void append(PackWriter writer, TensorKey key, byte[] bytes) throws IOException {
    try (TensorSink sink = writer.tensor(key)) {
      sink.append(ByteBuffer.wrap(bytes));
    }
  }

  static void attachAll(PackWriter writer) throws IOException {
    for (Map.Entry<String, byte[]> attachment : attachments().entrySet()) {
      writer.attach(attachment.getKey(), ByteBuffer.wrap(attachment.getValue()));
    }
  }

  private static byte[] encode(TensorKey key, Encoding encoding, TensorShape shape) {
    byte[] bytes = new byte[Math.toIntExact(encoding.encodedBytes(shape))];
    MemorySegment target = MemorySegment.ofArray(bytes);
    int seed = 31 * (31 * (key.layer() + 1) + key.expert() + 1) + key.role().ordinal();
    if (shape.isVector()) {
      for (int i = 0; i < shape.columns(); i++) {
        target.set(LittleEndian.FLOAT, 4L * i, 1 + quarter(seed, 0, i));
      }
      return bytes;
    }
    long panelBytes = encoding.panelBytes(shape.columns());
    for (int panel = 0; panel < encoding.panelCount(shape.rows()); panel++) {
      MemorySegment at = target.asSlice(panel * panelBytes, panelBytes);
      int rows = Math.min(16, shape.rows() - 16 * panel);
      if (encoding.isScalar()) {
        encodeGrid(at, encoding, seed + panel, rows, shape.columns());
      } else {
        encodeFloats(at, encoding, seed + panel, rows, shape.columns());
      }
    }
    return bytes;
  }

  private static void encodeFloats(
      MemorySegment panel, Encoding encoding, int seed, int rows, int columns) {
    for (int lane = 0; lane < rows; lane++) {
      for (int column = 0; column < columns; column++) {
        float value = quarter(seed, lane, column);
        if (encoding == Encoding.F32) {
          panel.set(LittleEndian.FLOAT, 64L * column + 4L * lane, value);
        } else {
          long offset = 64L * (column / 2) + 4L * lane + 2L * (column % 2);
          panel.set(LittleEndian.SHORT, offset, BFloat16.fromFloat(value));
        }
      }
    }
  }

  private static void encodeGrid(
      MemorySegment panel, Encoding encoding, int seed, int rows, int columns) {
    for (int lane = 0; lane < rows; lane++) {
      short scale = BFloat16.fromFloat(0.25f + lane / 64f);
      panel.set(LittleEndian.SHORT, ScalarGrid.rowScaleOffsetBytes(lane), scale);
    }
    for (int block = 0; block < encoding.blockCount(columns); block++) {
      long indices = 0;
      byte[] codes = new byte[64 * 16];
      for (int lane = 0; lane < rows; lane++) {
        indices |= (long) (mix(seed, lane, block) & 15) << (4 * lane);
        for (int column = 64 * block; column < Math.min(columns, 64 * block + 64); column++) {
          int code = mix(seed, lane, column) & (1 << encoding.codeBits()) - 1;
          codes[column % 64 * 16 + lane] = (byte) code;
        }
      }
      panel.set(LittleEndian.LONG, ScalarGrid.subScalesOffsetBytes(block), indices);
      long offset = encoding.codesOffsetBytes(columns) + (long) block * encoding.blockBytes();
      ScalarCodes.packBlock(encoding, codes, panel, offset);
    }
  }

  /** A multiple of 1/256 between -1/2 and 1/2, exact in every encoding of floats. */
  private static float quarter(int seed, int row, int column) {
    return ((mix(seed, row, column) & 0xFF) - 128) / 256f;
  }

  /** Any fixed function would do; a golden file depends on this one. */
  private static int mix(int seed, int row, int column) {
    int h = seed * 0x9E3779B1 + row * 0x85EBCA77 + column * 0xC2B2AE3D;
    h = (h ^ h >>> 15) * 0x2C1B3C6D;
    h = (h ^ h >>> 12) * 0x297A2D39;
    return (h ^ h >>> 15) >>> 8;
  }
}
