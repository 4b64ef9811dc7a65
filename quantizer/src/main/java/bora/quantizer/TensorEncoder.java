package bora.quantizer;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;

/**
 * Turns weights into encoded bytes, a few panels at a time: heap use does not grow with the number
 * of rows. The bytes depend on the weights and the encoding alone. Not for several threads at once:
 * each has an encoder of its own, whose buffers serve one tensor after the other.
 */
public final class TensorEncoder {
  private static final int ROWS_PER_GROUP = 128;
  private static final int CHUNK_BYTES = 1 << 20;

  private final LaneGroup group;
  private final int chunkBytes;
  private final Map<Encoding, ScalarQuantizer> scalarQuantizers = new EnumMap<>(Encoding.class);
  private final Map<Encoding, TrellisQuantizer> trellisQuantizers = new EnumMap<>(Encoding.class);
  private byte[] chunk = {};
  private int filledBytes;

  public TensorEncoder() {
    this(ROWS_PER_GROUP, CHUNK_BYTES);
  }

  TensorEncoder(int rowsPerGroup, int chunkBytes) {
    this.group = new LaneGroup(rowsPerGroup);
    this.chunkBytes = chunkBytes;
  }

  /**
   * Encodes a tensor.
   *
   * @param sink receives {@link Encoding#encodedBytes} bytes, in buffers of about a mebibyte
   * @throws IOException from source and sink, or naming the tensor and the value when a weight is
   *     too large for bf16
   * @throws IllegalArgumentException when the encoding does not fit the shape
   */
  public void encode(WeightSource source, Encoding encoding, ByteSink sink) throws IOException {
    if (!encoding.fits(source.shape())) {
      throw new IllegalArgumentException(
          source.key() + ": " + encoding.jsonName() + " cannot hold a vector");
    }
    filledBytes = 0;
    if (source.shape().isVector()) {
      encodeVector(source, encoding, sink);
      return;
    }
    for (int row = 0; row < source.shape().rows(); row += group.rowCount()) {
      group.read(source, row, encoding.rowsPerPanel());
      encodeGroup(source, encoding, sink);
    }
    flush(sink);
  }

  private void encodeGroup(WeightSource source, Encoding encoding, ByteSink sink)
      throws IOException {
    MemorySegment panels =
        reserve(Math.multiplyExact(group.panels(), encoding.panelBytes(group.columns())));
    switch (encoding) {
      case F32 -> writeFloats(panels);
      case BF16 -> writeBFloats(source, panels);
      case Q8, Q6, Q4 ->
          scalarQuantizers.computeIfAbsent(encoding, ScalarQuantizer::new).encode(group, panels);
      case T1, T2, T3, T4, T5 ->
          trellisQuantizers.computeIfAbsent(encoding, TrellisQuantizer::new).encode(group, panels);
    }
    if (filledBytes >= chunkBytes) {
      flush(sink);
    }
  }

  private void encodeVector(WeightSource source, Encoding encoding, ByteSink sink)
      throws IOException {
    TensorShape shape = source.shape();
    float[] values = new float[shape.columns()];
    source.readRows(0, 1, values, 0);
    MemorySegment bytes = reserve(encoding.encodedBytes(shape));
    for (int i = 0; i < values.length; i++) {
      if (encoding == Encoding.F32) {
        bytes.set(LittleEndian.FLOAT, 4L * i, values[i]);
      } else {
        bytes.set(LittleEndian.SHORT, 2L * i, bfloat(source, values[i]));
      }
    }
    flush(sink);
  }

  private void writeFloats(MemorySegment panels) {
    long panelBytes = Encoding.F32.panelBytes(group.columns());
    for (int panel = 0; panel < group.panels(); panel++) {
      for (int column = 0; column < group.columns(); column++) {
        MemorySegment.copy(
            group.values(),
            column * group.lanes() + panel * ScalarGrid.LANES,
            panels,
            LittleEndian.FLOAT,
            panel * panelBytes + (long) column * ScalarGrid.LANES * Float.BYTES,
            ScalarGrid.LANES);
      }
    }
  }

  private void writeBFloats(WeightSource source, MemorySegment panels) throws IOException {
    long panelBytes = Encoding.BF16.panelBytes(group.columns());
    float[] values = group.values();
    for (int column = 0; column < group.columns(); column++) {
      for (int lane = 0; lane < group.lanes(); lane++) {
        long offsetBytes =
            lane / ScalarGrid.LANES * panelBytes
                + (long) (column / 2) * 64
                + lane % ScalarGrid.LANES * 4L
                + column % 2 * 2L;
        short bits = bfloat(source, values[column * group.lanes() + lane]);
        panels.set(LittleEndian.SHORT, offsetBytes, bits);
      }
    }
  }

  private static short bfloat(WeightSource source, float value) throws IOException {
    short bits = BFloat16.fromFloat(value);
    if (Float.isInfinite(BFloat16.toFloat(bits))) {
      throw new IOException(
          source.key()
              + ": a weight is too large for bf16: expected at most 3.3895e38, found "
              + value
              + "; give this tensor the encoding f32");
    }
    return bits;
  }

  /** The next bytes of the chunk, zero. */
  private MemorySegment reserve(long bytes) {
    int end = Math.toIntExact(Math.addExact(filledBytes, bytes));
    if (chunk.length < end) {
      chunk = Arrays.copyOf(chunk, end);
    }
    Arrays.fill(chunk, filledBytes, end, (byte) 0);
    MemorySegment reserved = MemorySegment.ofArray(chunk).asSlice(filledBytes, bytes);
    filledBytes = end;
    return reserved;
  }

  private void flush(ByteSink sink) throws IOException {
    if (filledBytes > 0) {
      sink.append(ByteBuffer.wrap(chunk, 0, filledBytes));
    }
    filledBytes = 0;
  }
}
