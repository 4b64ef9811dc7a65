package bora.runtime.kernel;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import bora.formats.model.TensorShape;
import bora.runtime.machine.MachineCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Holds the machine code for an encoding against its {@linkplain DigitProducts definition}, bit for
 * bit, before it is used: a few thousand products, some milliseconds.
 */
final class AssembledSelfTest {
  /** Four streams, a panel by itself and one with rows that do not exist. */
  private static final int ROWS = 6 * ScalarGrid.LANES - 5;

  /** More than a tile, and the last block not whole. */
  private static final int COLUMNS = 5 * ScalarGrid.COLUMNS_PER_BLOCK - 9;

  /** Rows whose products with several tokens are tested: the last, one and a half tiles. */
  private static final int TILED_ROWS = 3 * ScalarGrid.LANES - 5;

  private final Encoding encoding;
  private final SplittableRandom random = new SplittableRandom(1);
  private final int blocks;
  private final byte[][] codes;
  private final float[][] steps;
  private final EncodedTensor matrix;

  private AssembledSelfTest(Encoding encoding, Arena arena) {
    this.encoding = encoding;
    TensorShape shape = TensorShape.matrix(ROWS, COLUMNS);
    blocks = Math.ceilDiv(COLUMNS, ScalarGrid.COLUMNS_PER_BLOCK);
    codes = new byte[ROWS][blocks * ScalarGrid.COLUMNS_PER_BLOCK];
    steps = new float[ROWS][blocks];
    MemorySegment bytes = arena.allocate(encoding.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
    matrix = new EncodedTensor(encoding, shape, bytes);
    for (int panel = 0; panel < encoding.panelCount(ROWS); panel++) {
      if (encoding.isTrellis()) {
        fillTrellis(panel);
      } else {
        fill(panel);
      }
    }
  }

  /**
   * @throws IllegalStateException when a result differs
   */
  static void run(Encoding encoding, AssembledCode code) {
    try (Arena arena = Arena.ofConfined()) {
      AssembledSelfTest test = new AssembledSelfTest(encoding, arena);
      for (ActivationDigits digits : ActivationDigits.values()) {
        test.checkOneToken(code, digits);
      }
      for (int tokens = 1; tokens <= AssembledTile.MAX_TOKENS; tokens++) {
        test.checkTokens(code, tokens);
      }
    }
  }

  private void fill(int panel) {
    int firstRow = panel * ScalarGrid.LANES;
    int lanes = Math.min(ScalarGrid.LANES, ROWS - firstRow);
    MemorySegment bytes = matrix.panel(panel);
    float[] rowScales = new float[lanes];
    for (int lane = 0; lane < lanes; lane++) {
      short scale = nextRowScale();
      bytes.set(LittleEndian.SHORT, ScalarGrid.rowScaleOffsetBytes(lane), scale);
      rowScales[lane] = BFloat16.toFloat(scale);
    }
    byte[] block = new byte[ScalarGrid.COLUMNS_PER_BLOCK * ScalarGrid.LANES];
    for (int k = 0; k < blocks; k++) {
      long indices = 0;
      for (int lane = 0; lane < lanes; lane++) {
        int index = random.nextInt(ScalarGrid.SUB_SCALE_COUNT);
        indices |= (long) index << (4 * lane);
        steps[firstRow + lane][k] = ScalarGrid.step(rowScales[lane], index);
        for (int c = 0; c < ScalarGrid.COLUMNS_PER_BLOCK; c++) {
          byte value = (byte) random.nextInt(1 << encoding.codeBits());
          block[c * ScalarGrid.LANES + lane] = value;
          codes[firstRow + lane][k * ScalarGrid.COLUMNS_PER_BLOCK + c] = value;
        }
      }
      bytes.set(LittleEndian.LONG, ScalarGrid.subScalesOffsetBytes(k), indices);
      long offset = encoding.codesOffsetBytes(COLUMNS) + (long) k * encoding.blockBytes();
      ScalarCodes.packBlock(encoding, block, bytes, offset);
    }
  }

  private short nextRowScale() {
    return BFloat16.fromFloat((float) (0.01 + random.nextDouble()));
  }

  private void fillTrellis(int panel) {
    MemorySegment bytes = matrix.panel(panel);
    float[] rowScales = new float[TrellisPanel.ROWS];
    for (int row = 0; row < rowScales.length; row++) {
      rowScales[row] = BFloat16.toFloat(nextRowScale());
    }
    TrellisPanel.writeRowScales(bytes, rowScales);
    int[] symbols = new int[TrellisPanel.ROWS];
    for (int column = 0; column < COLUMNS; column++) {
      Arrays.setAll(symbols, _ -> random.nextInt(1 << encoding.codeBits()));
      TrellisPanel.packColumn(encoding, bytes, column, symbols);
    }
    int firstRow = panel * TrellisPanel.ROWS;
    for (int row = firstRow; row < Math.min(ROWS, firstRow + TrellisPanel.ROWS); row++) {
      Arrays.fill(steps[row], rowScales[row - firstRow]);
      for (int column = 0; column < COLUMNS; column++) {
        int state = TrellisPanel.stateAt(encoding, bytes, row - firstRow, column);
        codes[row][column] = (byte) TrellisCode.of(encoding).level(state);
      }
    }
  }

  /** Values of very different size, a block of zeros among them. */
  private float[] activations(int tokens) {
    float[] x = new float[tokens * COLUMNS];
    for (int i = 0; i < x.length; i++) {
      int block = i % COLUMNS / ScalarGrid.COLUMNS_PER_BLOCK;
      double size = random.nextInt(40) == 0 ? 100 : 1;
      x[i] = block == 1 ? 0 : (float) (size * (random.nextDouble() - 0.5));
    }
    return x;
  }

  private void checkOneToken(AssembledCode code, ActivationDigits digits) {
    FloatArray x = FloatArray.wrap(activations(1));
    TokenActivations token = TokenActivations.of(x, 0, COLUMNS, 1);
    FloatArray y = FloatArray.ofLength(ROWS);
    int panels = encoding.panelCount(ROWS);
    if (encoding.isTrellis()) {
      AssembledTrellisProducts.multiply(code, digits, matrix, token, y, 0, 0, panels);
    } else {
      AssembledProducts.multiply(code, digits, matrix, token, y, 0, 0, panels);
    }
    check(digits, x.values(), 0, y, 0, 0, blocks);
  }

  private void checkTokens(AssembledCode code, int tokens) {
    float[] x = activations(tokens);
    TokenActivations activations = TokenActivations.of(FloatArray.wrap(x), 0, COLUMNS, tokens);
    FloatArray y = FloatArray.ofLength(tokens * ROWS);
    int panels = encoding.panelCount(ROWS);
    int start = (ROWS - TILED_ROWS) / encoding.rowsPerPanel();
    AssembledScratch.ofThread()
        .tokens
        .multiply(code, matrix, activations, y, 0, ROWS, start, panels);
    for (int t = 0; t < tokens; t++) {
      check(
          ActivationDigits.ONE,
          x,
          t * COLUMNS,
          y,
          t * ROWS,
          start * encoding.rowsPerPanel(),
          AssembledTile.MAX_BLOCKS);
    }
  }

  private void check(
      ActivationDigits digits,
      float[] x,
      int xOffset,
      FloatArray y,
      int yOffset,
      int firstRow,
      int run) {
    DigitProducts.Block[] xs = DigitProducts.blocks(digits, x, xOffset, COLUMNS);
    for (int row = firstRow; row < ROWS; row++) {
      float expected = DigitProducts.multiply(encoding, codes[row], steps[row], xs, run);
      float found = y.get(yOffset + row);
      check(encoding, expected, found);
    }
  }

  /**
   * @throws IllegalStateException when two results are not the same bits
   */
  static void check(Encoding encoding, float expected, float found) {
    check(encoding.jsonName(), expected, found);
  }

  /**
   * @param subject what the code computes with
   * @throws IllegalStateException when two results are not the same bits
   */
  static void check(String subject, float expected, float found) {
    if (Float.floatToRawIntBits(expected) != Float.floatToRawIntBits(found)) {
      throw new IllegalStateException(
          "the machine code for "
              + subject
              + " does not compute what it should on this processor: expected "
              + expected
              + ", found "
              + found
              + "; -D"
              + MachineCode.PROPERTY
              + "=off computes without");
    }
  }
}
