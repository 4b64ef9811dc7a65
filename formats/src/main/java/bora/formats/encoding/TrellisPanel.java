package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/**
 * Where scales and symbols stand in a panel of a trellis encoding. A column is one number of 64 K
 * bits, read as a circle: the symbol of row r is its bits {@code K r} and up, and the state of the
 * row is that symbol with those of the rows after it above.
 */
public final class TrellisPanel {
  /** Rows of a panel: the symbols of a column. */
  public static final int ROWS = 64;

  /** Columns of a block, so that blocks are aligned. */
  public static final int COLUMNS_PER_BLOCK = 8;

  static final int HEADER_BYTES = 2 * ROWS;

  private TrellisPanel() {}

  /** Where the bf16 of a row's scale stands. */
  public static long rowScaleOffsetBytes(int row) {
    return 2L * row;
  }

  /** Where a column begins in its panel. */
  public static long columnOffsetBytes(Encoding encoding, int column) {
    return HEADER_BYTES + (long) column * columnBytes(encoding);
  }

  /** Bytes of a column. */
  public static int columnBytes(Encoding encoding) {
    return ROWS * encoding.codeBits() / Byte.SIZE;
  }

  /** The scale of a row from the panel that begins at {@code panelOffsetBytes}. */
  public static float rowScale(MemorySegment bytes, long panelOffsetBytes, int row) {
    return BFloat16.toFloat(
        bytes.get(LittleEndian.SHORT, panelOffsetBytes + rowScaleOffsetBytes(row)));
  }

  /**
   * Writes the scales.
   *
   * @param panel the panel's bytes, from its first
   * @param rowScales one a row, each a bf16
   */
  public static void writeRowScales(MemorySegment panel, float[] rowScales) {
    for (int row = 0; row < ROWS; row++) {
      panel.set(LittleEndian.SHORT, rowScaleOffsetBytes(row), BFloat16.fromFloat(rowScales[row]));
    }
  }

  /**
   * Writes a column.
   *
   * @param panel the panel's bytes, from its first
   * @param symbols one a row, each below 2^K
   */
  public static void packColumn(Encoding encoding, MemorySegment panel, int column, int[] symbols) {
    int bits = encoding.codeBits();
    long[] words = new long[bits];
    for (int row = 0; row < ROWS; row++) {
      int position = bits * row;
      long symbol = symbols[row];
      words[position / Long.SIZE] |= symbol << (position % Long.SIZE);
      if (position % Long.SIZE + bits > Long.SIZE) {
        words[position / Long.SIZE + 1] |= symbol >>> (Long.SIZE - position % Long.SIZE);
      }
    }
    long offsetBytes = columnOffsetBytes(encoding, column);
    for (int word = 0; word < bits; word++) {
      panel.set(LittleEndian.LONG, offsetBytes + (long) word * Long.BYTES, words[word]);
    }
  }

  /** The state of a row of a column. */
  public static int stateAt(Encoding encoding, MemorySegment panel, int row, int column) {
    int bits = encoding.codeBits();
    long offsetBytes = columnOffsetBytes(encoding, column);
    int word = bits * row / Long.SIZE;
    int bit = bits * row % Long.SIZE;
    long state = panel.get(LittleEndian.LONG, offsetBytes + (long) word * Long.BYTES) >>> bit;
    if (bit + TrellisCode.STATE_BITS > Long.SIZE) {
      int next = (word + 1) % bits;
      long above = panel.get(LittleEndian.LONG, offsetBytes + (long) next * Long.BYTES);
      state |= above << (Long.SIZE - bit);
    }
    return (int) state & (1 << TrellisCode.STATE_BITS) - 1;
  }
}
