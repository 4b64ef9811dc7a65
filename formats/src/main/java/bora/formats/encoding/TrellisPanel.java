package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/**
 * Where scales and symbols stand in a panel of a trellis encoding. A column of a panel is a
 * circular string of 64 symbols of K bits, one a row from the first to the last; the state of a row
 * is made of its own symbol and those before it. Four neighbouring rows share a lane: row r is in
 * lane {@code r / 4}.
 */
public final class TrellisPanel {
  /** Rows of a panel: the symbols of a string. */
  public static final int ROWS = 64;

  /** Neighbouring rows in one lane. */
  public static final int ROWS_PER_LANE = 4;

  /** Lanes of a unit. */
  public static final int LANES = ROWS / ROWS_PER_LANE;

  /** Columns of a block, which has K units. */
  public static final int COLUMNS_PER_BLOCK = 8;

  static final int HEADER_BYTES = 2 * ROWS;

  private static final int UNIT_BYTES = 64;

  /** The signs of the first rows' scales are the bits of the number of state bits. */
  private static final int STATE_BITS_ROWS = 4;

  private static final int SIGN = 0x8000;

  private TrellisPanel() {}

  /** Where the bf16 of a row's scale stands; its sign is not the scale's. */
  public static long rowScaleOffsetBytes(int row) {
    return 2L * row;
  }

  /** The scale of a row from the panel that begins at {@code panelOffsetBytes}. */
  public static float rowScale(MemorySegment bytes, long panelOffsetBytes, int row) {
    int bits = bytes.get(LittleEndian.SHORT, panelOffsetBytes + rowScaleOffsetBytes(row));
    return BFloat16.toFloat((short) (bits & ~SIGN));
  }

  /** How many bits make a state in the panel that begins at {@code panelOffsetBytes}. */
  public static int stateBits(MemorySegment bytes, long panelOffsetBytes) {
    int stateBits = 0;
    for (int row = 0; row < STATE_BITS_ROWS; row++) {
      int scale = bytes.get(LittleEndian.SHORT, panelOffsetBytes + rowScaleOffsetBytes(row));
      stateBits |= (scale & SIGN) != 0 ? 1 << row : 0;
    }
    return stateBits;
  }

  /**
   * Writes the scales and the number of state bits.
   *
   * @param panel the panel's bytes, from its first
   * @param rowScales one a row, each a bf16
   */
  public static void writeHeader(MemorySegment panel, float[] rowScales, int stateBits) {
    for (int row = 0; row < ROWS; row++) {
      int scale = BFloat16.fromFloat(rowScales[row]);
      int sign = row < STATE_BITS_ROWS && (stateBits >>> row & 1) != 0 ? SIGN : 0;
      panel.set(LittleEndian.SHORT, rowScaleOffsetBytes(row), (short) (scale | sign));
    }
  }

  /**
   * Writes the string of a column into a panel whose symbols of that column are still zero.
   *
   * @param panel the panel's bytes, from its first
   * @param symbols one a row, each below 2^K
   */
  public static void packColumn(Encoding encoding, MemorySegment panel, int column, int[] symbols) {
    int bits = encoding.codeBits();
    for (int lane = 0; lane < LANES; lane++) {
      int field = 0;
      for (int row = ROWS_PER_LANE * lane; row < ROWS_PER_LANE * (lane + 1); row++) {
        field = field << bits | symbols[row];
      }
      int firstBit = firstBit(encoding, column);
      long offsetBytes = wordOffsetBytes(encoding, column, lane, firstBit / Integer.SIZE);
      long shifted = (long) field << (firstBit % Integer.SIZE);
      or(panel, offsetBytes, (int) shifted);
      if (shifted >>> Integer.SIZE != 0) {
        or(panel, offsetBytes + UNIT_BYTES, (int) (shifted >>> Integer.SIZE));
      }
    }
  }

  private static void or(MemorySegment panel, long offsetBytes, int bits) {
    panel.set(LittleEndian.INT, offsetBytes, panel.get(LittleEndian.INT, offsetBytes) | bits);
  }

  /** The state of a row of a column. */
  static int stateAt(Encoding encoding, MemorySegment panel, int row, int column, int stateBits) {
    int bits = encoding.codeBits();
    int state = 0;
    for (int age = 0; age * bits < stateBits; age++) {
      int symbol = symbolAt(encoding, panel, Math.floorMod(row - age, ROWS), column);
      state |= symbol << (age * bits);
    }
    return state & (1 << stateBits) - 1;
  }

  private static int symbolAt(Encoding encoding, MemorySegment panel, int row, int column) {
    int bits = encoding.codeBits();
    int rowInLane = row % ROWS_PER_LANE;
    int bit = firstBit(encoding, column) + bits * (ROWS_PER_LANE - 1 - rowInLane);
    long offsetBytes = wordOffsetBytes(encoding, column, row / ROWS_PER_LANE, bit / Integer.SIZE);
    int symbol = panel.get(LittleEndian.INT, offsetBytes) >>> (bit % Integer.SIZE);
    int bitsHere = Integer.SIZE - bit % Integer.SIZE;
    if (bitsHere < bits) {
      symbol |= panel.get(LittleEndian.INT, offsetBytes + UNIT_BYTES) << bitsHere;
    }
    return symbol & (1 << bits) - 1;
  }

  /** Where the field of a column begins among the 32 K bits of a lane in its block. */
  private static int firstBit(Encoding encoding, int column) {
    return column % COLUMNS_PER_BLOCK * ROWS_PER_LANE * encoding.codeBits();
  }

  private static long wordOffsetBytes(Encoding encoding, int column, int lane, int unit) {
    return HEADER_BYTES
        + (long) (column / COLUMNS_PER_BLOCK) * encoding.blockBytes()
        + (long) unit * UNIT_BYTES
        + lane * 4L;
  }
}
