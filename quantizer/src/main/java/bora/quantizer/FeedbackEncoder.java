package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Encodes matrices with error feedback: what one column loses is made up for by those after it, as
 * far as the inputs go together. Some rows at a time; where directions of the output matter, what
 * these lose is made up for by the rows after them. The bytes depend on weights, encoding, factor
 * and directions alone. Not for several threads at once.
 */
public final class FeedbackEncoder {
  private static final int BLOCK = ScalarGrid.COLUMNS_PER_BLOCK;

  private final LaneGroup group = new LaneGroup(OutputFeedback.GROUP_ROWS);
  private final TensorEncoder plain = new TensorEncoder();
  private FeedbackBlock block = new FeedbackBlock(0);
  private float[] errors = {};
  private double[] shifts = {};
  private byte[] bytes = {};

  /** Makes an encoder with its own buffers, for one thread. */
  public FeedbackEncoder() {}

  /**
   * Encodes a tensor.
   *
   * @param factor of its input; ignored by encodings that keep values as they are
   * @param output of its rows; ignored likewise
   * @param sink receives {@link Encoding#encodedBytes} bytes
   * @return the loss {@code tr(E (H + lambda I) E^T)}, E without what is made up for earlier rows;
   *     0 for encodings that keep values
   * @throws IOException from source and sink
   */
  public double encode(
      WeightSource source,
      Encoding encoding,
      FeedbackFactor factor,
      OutputFeedback output,
      ByteSink sink)
      throws IOException {
    if (source.shape().isVector() || encoding == Encoding.F32 || encoding == Encoding.BF16) {
      plain.encode(source, encoding, sink);
      return 0;
    }
    if (factor.columns() != source.shape().columns()) {
      throw new IllegalArgumentException(
          source.key() + ": expected a factor of its columns, found " + factor.columns());
    }
    int panelRows = encoding.rowsPerPanel();
    List<ColumnCoder> coders = new ArrayList<>();
    for (int row = 0; row < OutputFeedback.GROUP_ROWS; row += panelRows) {
      coders.add(ColumnCoder.of(encoding));
    }
    double loss = 0;
    double[] sums = output.newSums(source.shape().columns());
    for (int row = 0; row < source.shape().rows(); row += group.rowCount()) {
      group.read(source, row, panelRows);
      int panels = Math.ceilDiv(group.rowCount(), panelRows);
      if (output.isNone()) {
        loss += encodeGroup(coders.subList(0, panels), factor);
      } else {
        int length = Math.multiplyExact(group.lanes(), group.columns());
        shifts = shifts.length < length ? new double[length] : shifts;
        output.shift(group, row, sums, shifts);
        loss += encodeGroup(coders.subList(0, panels), factor);
        output.add(group, row, errors, shifts, sums);
      }
      long size = panels * encoding.panelBytes(group.columns());
      sink.append(ByteBuffer.wrap(bytes, 0, Math.toIntExact(size)));
    }
    return loss;
  }

  private double encodeGroup(List<ColumnCoder> coders, FeedbackFactor factor) {
    Encoding encoding = coders.getFirst().encoding();
    int columns = group.columns();
    int lanes = coders.size() * encoding.rowsPerPanel();
    if (block.lanes() != lanes) {
      block = new FeedbackBlock(lanes);
    }
    int errorsLength = Math.multiplyExact(lanes, columns);
    if (errors.length < errorsLength) {
      errors = new float[errorsLength];
    }
    begin(coders, factor);
    double loss = 0;
    for (int first = 0; first < columns; first += BLOCK) {
      int count = Math.min(BLOCK, columns - first);
      block.load(group, first, count);
      block.addFeedback(factor, errors);
      if (coders.getFirst() instanceof ScalarColumnCoder) {
        chooseSubScales(coders, factor, first / BLOCK);
      }
      loss += block.encode(coders, factor, errors);
    }
    return loss;
  }

  private void begin(List<ColumnCoder> coders, FeedbackFactor factor) {
    Encoding encoding = coders.getFirst().encoding();
    int panelBytes = Math.toIntExact(encoding.panelBytes(group.columns()));
    int size = Math.multiplyExact(coders.size(), panelBytes);
    if (bytes.length < size) {
      bytes = new byte[size];
    }
    Arrays.fill(bytes, 0, size, (byte) 0);
    float[] scales = RowScaleChoice.of(encoding).scales(group, factor, block.lanes());
    block.setRowScales(scales);
    int panelRows = encoding.rowsPerPanel();
    for (int panel = 0; panel < coders.size(); panel++) {
      coders
          .get(panel)
          .begin(
              MemorySegment.ofArray(bytes).asSlice((long) panel * panelBytes, panelBytes),
              group.columns(),
              Arrays.copyOfRange(scales, panel * panelRows, (panel + 1) * panelRows));
    }
  }

  private void chooseSubScales(List<ColumnCoder> coders, FeedbackFactor factor, int blockIndex) {
    Encoding encoding = coders.getFirst().encoding();
    int[] indices = block.chooseSubScales(encoding.codeBits(), factor);
    for (int panel = 0; panel < coders.size(); panel++) {
      ScalarColumnCoder coder = (ScalarColumnCoder) coders.get(panel);
      int lane = panel * ScalarGrid.LANES;
      coder.beginBlock(blockIndex, Arrays.copyOfRange(indices, lane, lane + ScalarGrid.LANES));
    }
  }
}
