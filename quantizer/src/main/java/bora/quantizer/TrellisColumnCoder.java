package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import java.lang.foreign.MemorySegment;

/**
 * Encodes columns as strings of a trellis encoding. The errors of a row count in units of its
 * scale, so a string does not depend on powers of two that were moved between rows and other
 * matrices.
 */
public final class TrellisColumnCoder implements ColumnCoder {
  private static final int ROWS = TrellisPanel.ROWS;

  private final Encoding encoding;
  private final int stateBits;
  private final TrellisSearch search;
  private final int symbolMask;
  private final float[] rowScales = new float[ROWS];
  private final float[] inverseScales = new float[ROWS];
  private final float[] weights = new float[ROWS];
  private final float[] normalized = new float[ROWS];
  private final int[] states = new int[ROWS];
  private MemorySegment panel = MemorySegment.NULL;

  /**
   * A coder with the longest states that the encoding may have. Two bits less are four times as
   * fast and cost 0.1 to 0.3 dB, 3 to 7 % of the error.
   */
  public TrellisColumnCoder(Encoding encoding) {
    this(encoding, TrellisCode.maxStateBits(encoding));
  }

  /**
   * @param stateBits four more than the encoding's bits up to {@link TrellisCode#maxStateBits}; two
   *     less are four times as fast
   */
  public TrellisColumnCoder(Encoding encoding, int stateBits) {
    this.encoding = encoding;
    this.stateBits = stateBits;
    this.search = new TrellisSearch(encoding, stateBits);
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
    TrellisPanel.writeHeader(panel, newRowScales, stateBits);
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
