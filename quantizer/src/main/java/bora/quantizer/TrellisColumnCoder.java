package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisPanel;
import java.lang.foreign.MemorySegment;

/**
 * Encodes columns in a trellis encoding. The errors of a row count in units of its scale, so a
 * string does not depend on powers of two that were moved between rows and other matrices.
 */
final class TrellisColumnCoder implements ColumnCoder {
  private static final int ROWS = TrellisPanel.ROWS;

  private final Encoding encoding;
  private final TrellisSearch search;
  private final int symbolMask;
  private final float[] rowScales = new float[ROWS];
  private final float[] inverseScales = new float[ROWS];
  private final float[] weights = new float[ROWS];
  private final float[] normalized = new float[ROWS];
  private final int[] states = new int[ROWS];
  private MemorySegment panel = MemorySegment.NULL;

  TrellisColumnCoder(Encoding encoding) {
    this.encoding = encoding;
    this.search = new TrellisSearch(encoding);
    this.symbolMask = (1 << encoding.codeBits()) - 1;
  }

  @Override
  public Encoding encoding() {
    return encoding;
  }

  @Override
  public void begin(MemorySegment newPanel, int columns, float[] newRowScales) {
    panel = newPanel;
    panel.fill((byte) 0);
    TrellisPanel.writeRowScales(panel, newRowScales);
    for (int row = 0; row < ROWS; row++) {
      boolean zero = newRowScales[row] == 0;
      rowScales[row] = newRowScales[row];
      inverseScales[row] = zero ? 0 : 1 / rowScales[row];
      weights[row] = zero ? 0 : 1;
    }
  }

  @Override
  public void encodeColumn(float[] targets, int column, float[] decoded) {
    for (int row = 0; row < ROWS; row++) {
      normalized[row] = targets[row] * inverseScales[row];
    }
    search.search(normalized, weights, states);
    for (int row = 0; row < ROWS; row++) {
      decoded[row] = search.value(states[row]) * rowScales[row];
      states[row] &= symbolMask;
    }
    TrellisPanel.packColumn(encoding, panel, column, states);
  }
}
