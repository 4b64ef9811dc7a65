package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * Turns weights into encoded bytes, a few panels at a time: memory use does not grow with the
 * number of rows. The bytes depend on the weights and the encoding alone. Not for several threads
 * at once: each has an encoder of its own, whose buffers serve one tensor after the other.
 */
public final class TensorEncoder {
  /** One panel, so that its weights stay in the second cache while they are gone over. */
  private static final int ROWS_PER_GROUP = ScalarGrid.LANES;

  private static final int CHUNK_BYTES = 1 << 20;

  /** Vector code is slow until it is compiled; a smaller tensor is done before that. */
  private static final long MIN_VECTOR_WEIGHTS = 1 << 18;

  private final LaneGroup group;
  private final int chunkBytes;
  private final Map<Encoding, FloatEncoder> floatEncoders = new EnumMap<>(Encoding.class);
  private final Map<Encoding, ScalarQuantizer> scalars = new EnumMap<>(Encoding.class);
  private final Map<Encoding, ScalarQuantizer> vectors = new EnumMap<>(Encoding.class);
  private final Map<Encoding, TrellisQuantizer> trellises = new EnumMap<>(Encoding.class);

  /** On the heap, where sums are taken over it without a copy. */
  private ByteBuffer chunk = ByteBuffer.allocate(0);

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
    chunk.clear();
    switch (encoding) {
      case F32, BF16 ->
          encodeFloats(source, floatEncoders.computeIfAbsent(encoding, FloatEncoder::new), sink);
      case Q8, Q6, Q5, Q4, Q3, Q2 ->
          encodeGroups(source, encoding, quantizer(encoding, source.shape())::encode, sink);
      case T1, T2, T3, T4, T5 ->
          encodeGroups(
              source,
              encoding,
              trellises.computeIfAbsent(encoding, TrellisQuantizer::new)::encode,
              sink);
    }
    flush(sink);
  }

  private void encodeFloats(WeightSource source, FloatEncoder encoder, ByteSink sink)
      throws IOException {
    if (source.shape().isVector()) {
      encoder.encodeVector(source, reserve(encoder.encoding().encodedBytes(source.shape()), sink));
      return;
    }
    long panelBytes = encoder.encoding().panelBytes(source.shape().columns());
    for (int row = 0; row < source.shape().rows(); row += encoder.encoding().rowsPerPanel()) {
      encoder.encodePanel(source, row, reserve(panelBytes, sink));
    }
  }

  private ScalarQuantizer quantizer(Encoding encoding, TensorShape shape) {
    return shape.elementCount() < MIN_VECTOR_WEIGHTS
        ? scalars.computeIfAbsent(encoding, ScalarQuantizer::new)
        : vectors.computeIfAbsent(
            encoding, any -> new ScalarQuantizer(any, new VectorBlockLoops(any)));
  }

  private void encodeGroups(
      WeightSource source,
      Encoding encoding,
      BiConsumer<LaneGroup, MemorySegment> quantizer,
      ByteSink sink)
      throws IOException {
    long panelBytes = encoding.panelBytes(source.shape().columns());
    for (int row = 0; row < source.shape().rows(); row += group.rowCount()) {
      group.read(source, row, encoding.rowsPerPanel());
      quantizer.accept(group, reserve(Math.multiplyExact(group.panels(), panelBytes), sink));
    }
  }

  /** Room in the chunk for the next bytes, all of which are to be written. */
  private MemorySegment reserve(long bytes, ByteSink sink) throws IOException {
    if (chunk.position() >= chunkBytes) {
      flush(sink);
    }
    int length = Math.toIntExact(bytes);
    if (chunk.remaining() < length) {
      flush(sink);
    }
    if (chunk.remaining() < length) {
      chunk = ByteBuffer.allocate(Math.addExact(chunkBytes, length));
    }
    MemorySegment reserved = MemorySegment.ofBuffer(chunk).asSlice(0, length);
    chunk.position(chunk.position() + length);
    return reserved;
  }

  private void flush(ByteSink sink) throws IOException {
    if (chunk.position() > 0) {
      sink.append(chunk.flip());
    }
    chunk.clear();
  }
}
