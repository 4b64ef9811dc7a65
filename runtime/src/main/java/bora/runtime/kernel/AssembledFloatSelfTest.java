package bora.runtime.kernel;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import bora.formats.model.TensorShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/**
 * Holds the machine code for products of exactly decoded weights and exact activations against
 * scalar code, bit for bit, before it is used: a panel and two, of which the last is not whole, two
 * tiles of columns, and one token more than go at once.
 */
final class AssembledFloatSelfTest {
  private static final int TILE_COLUMNS = AssembledFloatTile.MAX_COLUMNS;
  private static final int COLUMNS = TILE_COLUMNS + 69;
  private static final int TOKENS = AssembledFloatTile.MAX_TOKENS + 1;

  /** Only some rows are compared: the scalar code has not been compiled. */
  private static final int ROW_STEP = 7;

  private final Encoding encoding;
  private final SplittableRandom random = new SplittableRandom(1);
  private final EncodedTensor matrix;

  private AssembledFloatSelfTest(Encoding encoding, Arena arena) {
    this.encoding = encoding;
    TensorShape shape =
        TensorShape.matrix(encoding.rowsPerPanel() + 2 * ScalarGrid.LANES - 5, COLUMNS);
    MemorySegment bytes = arena.allocate(encoding.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
    matrix = new EncodedTensor(encoding, shape, bytes);
  }

  /**
   * @throws IllegalStateException when a result differs
   */
  static void run(Encoding encoding, AssembledFloatTokens tokens) {
    try (Arena arena = Arena.ofConfined()) {
      new AssembledFloatSelfTest(encoding, arena).run(tokens);
    }
  }

  private void run(AssembledFloatTokens tokens) {
    fill();
    float[] x = new float[TOKENS * COLUMNS];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextDouble() - 0.5f;
    }
    int rows = matrix.shape().rows();
    FloatArray y = FloatArray.ofLength(TOKENS * rows);
    TokenActivations activations = TokenActivations.of(FloatArray.wrap(x), 0, COLUMNS, TOKENS);
    tokens.multiply(matrix, activations, y, 0, rows, 0, encoding.panelCount(rows));
    for (int row = 0; row < rows; row += ROW_STEP) {
      float[] weights = new float[COLUMNS];
      float scale = encoding.isTrellis() ? decodeTrellis(row, weights) : decode(row, weights);
      for (int t = 0; t < TOKENS; t++) {
        float expected = scale * product(weights, x, t * COLUMNS);
        AssembledSelfTest.check(encoding, expected, y.get(t * rows + row));
      }
    }
  }

  private void fill() {
    MemorySegment bytes = matrix.bytes();
    for (long offset = 0; offset < bytes.byteSize(); offset += Integer.BYTES) {
      int pair = nextBFloat16() << 16 | (nextBFloat16() & 0xFFFF);
      bytes.set(LittleEndian.INT, offset, encoding.isQuantized() ? random.nextInt() : pair);
    }
    if (encoding.isQuantized()) {
      int panelRows = encoding.rowsPerPanel();
      for (int row = 0; row < matrix.shape().rows(); row++) {
        long offset =
            encoding.isTrellis()
                ? TrellisPanel.rowScaleOffsetBytes(row % panelRows)
                : ScalarGrid.rowScaleOffsetBytes(row % panelRows);
        matrix.panel(row / panelRows).set(LittleEndian.SHORT, offset, nextBFloat16());
      }
    }
  }

  private short nextBFloat16() {
    return BFloat16.fromFloat((float) (0.01 + random.nextDouble()));
  }

  /** Decodes a row; nothing but 1 is left to multiply its products by. */
  private float decode(int row, float[] weights) {
    MemorySegment panel = matrix.panel(row / ScalarGrid.LANES);
    for (int c = 0; c < COLUMNS; c++) {
      weights[c] = encoding.decoder().valueAt(panel, COLUMNS, row % ScalarGrid.LANES, c);
    }
    return 1;
  }

  /** Decodes a row but for its scale, which its products are to be multiplied by. */
  private float decodeTrellis(int row, float[] weights) {
    MemorySegment panel = matrix.panel(row / TrellisPanel.ROWS);
    int panelRow = row % TrellisPanel.ROWS;
    for (int c = 0; c < COLUMNS; c++) {
      int state = TrellisPanel.stateAt(encoding, panel, panelRow, c);
      weights[c] = TrellisCode.of(encoding).value(state);
    }
    return TrellisPanel.rowScale(panel, 0, panelRow);
  }

  private static float product(float[] weights, float[] x, int xOffset) {
    float total = 0;
    for (int start = 0; start < COLUMNS; start += TILE_COLUMNS) {
      float sum = 0;
      for (int c = start; c < Math.min(COLUMNS, start + TILE_COLUMNS); c++) {
        sum = Math.fma(weights[c], x[xOffset + c], sum);
      }
      total += sum;
    }
    return total;
  }
}
