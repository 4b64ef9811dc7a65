package bora.quantizer;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Rounds columns to the grid of a scalar encoding, with given row scales and sub-scales. */
final class ScalarColumnCoder implements ColumnCoder {
  private final Encoding encoding;
  private final int topCode;
  private final float roundingBias;
  private final float[] rowScales = new float[ScalarGrid.LANES];
  private final float[] steps = new float[ScalarGrid.LANES];
  private final byte[] codes = new byte[ScalarGrid.COLUMNS_PER_BLOCK * ScalarGrid.LANES];
  private MemorySegment panel = MemorySegment.NULL;
  private int columns;

  /**
   * @throws IllegalArgumentException when the encoding is no scalar
   */
  ScalarColumnCoder(Encoding encoding) {
    if (!encoding.isScalar()) {
      throw new IllegalArgumentException(encoding.jsonName() + " has no grid");
    }
    this.encoding = encoding;
    this.topCode = (1 << encoding.codeBits()) - 1;
    this.roundingBias = ScalarGrid.centre(encoding.codeBits()) + 0.5f;
  }

  @Override
  public Encoding encoding() {
    return encoding;
  }

  /** Every block begins with sub-scales of index 0 until {@link #beginBlock} chooses others. */
  @Override
  public void begin(MemorySegment newPanel, int newColumns, float[] newRowScales) {
    panel = newPanel;
    panel.fill((byte) 0);
    columns = newColumns;
    System.arraycopy(newRowScales, 0, rowScales, 0, rowScales.length);
    System.arraycopy(newRowScales, 0, steps, 0, steps.length);
    for (int lane = 0; lane < rowScales.length; lane++) {
      panel.set(
          LittleEndian.SHORT,
          ScalarGrid.rowScaleOffsetBytes(lane),
          BFloat16.fromFloat(rowScales[lane]));
    }
  }

  /**
   * Chooses the sub-scales of a block, before its first column is encoded. A block for which this
   * is not called has indices of 0.
   *
   * @param subScaleIndices one a row, 0 to 15; 0 for rows whose scale is zero
   */
  public void beginBlock(int blockIndex, int[] subScaleIndices) {
    long word = 0;
    for (int lane = 0; lane < steps.length; lane++) {
      steps[lane] = ScalarGrid.step(rowScales[lane], subScaleIndices[lane]);
      word |= (long) subScaleIndices[lane] << (4 * lane);
    }
    panel.set(LittleEndian.LONG, ScalarGrid.subScalesOffsetBytes(blockIndex), word);
  }

  @Override
  public void encodeColumn(float[] targets, int column, float[] decoded) {
    int columnInBlock = column % ScalarGrid.COLUMNS_PER_BLOCK;
    for (int lane = 0; lane < steps.length; lane++) {
      float step = steps[lane];
      float position = step == 0 ? 0 : targets[lane] / step + roundingBias;
      int code = Math.clamp((int) position, 0, topCode);
      codes[columnInBlock * ScalarGrid.LANES + lane] = (byte) code;
      decoded[lane] = ScalarGrid.value(code, encoding.codeBits(), step);
    }
    if (columnInBlock == ScalarGrid.COLUMNS_PER_BLOCK - 1 || column == columns - 1) {
      writeBlock(column / ScalarGrid.COLUMNS_PER_BLOCK);
    }
  }

  private void writeBlock(int blockIndex) {
    long offsetBytes =
        encoding.codesOffsetBytes(columns) + (long) blockIndex * encoding.blockBytes();
    ScalarCodes.packBlock(encoding, codes, panel, offsetBytes);
    Arrays.fill(codes, (byte) 0);
    System.arraycopy(rowScales, 0, steps, 0, steps.length);
  }
}
