package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/** Where the codes of a block stand in its units: the one definition, for packing and unpacking. */
public final class ScalarCodes {
  private static final int UNIT_BYTES = 64;

  private ScalarCodes() {}

  /**
   * Packs a block of codes.
   *
   * @param codes the code of lane r, column c at {@code c * 16 + r}, below 2^bits
   * @param block receives {@link Encoding#blockBytes()} bytes from {@code offsetBytes}
   */
  public static void packBlock(
      Encoding encoding, byte[] codes, MemorySegment block, long offsetBytes) {
    for (int lane = 0; lane < ScalarGrid.LANES; lane++) {
      long laneOffsetBytes = offsetBytes + lane * 4L;
      switch (encoding) {
        case Q8 -> packFields(codes, lane, 8, 4, block, laneOffsetBytes);
        case Q4 -> packFields(codes, lane, 4, 8, block, laneOffsetBytes);
        case Q6 -> packSixBits(codes, lane, block, laneOffsetBytes);
        default -> throw new IllegalArgumentException(encoding + " has no codes");
      }
    }
  }

  private static void packFields(
      byte[] codes, int lane, int bits, int fieldsPerUnit, MemorySegment block, long offsetBytes) {
    for (int unit = 0; unit < ScalarGrid.COLUMNS_PER_BLOCK / fieldsPerUnit; unit++) {
      int word = 0;
      for (int field = 0; field < fieldsPerUnit; field++) {
        int column = unit * fieldsPerUnit + field;
        word |= (codes[column * ScalarGrid.LANES + lane] & 0xFF) << (bits * field);
      }
      block.set(LittleEndian.INT, offsetBytes + (long) unit * UNIT_BYTES, word);
    }
  }

  private static void packSixBits(byte[] codes, int lane, MemorySegment block, long offsetBytes) {
    for (int unit = 0; unit < 12; unit++) {
      int group = unit / 3;
      int j = unit % 3;
      int shared = codes[(16 * group + 15) * ScalarGrid.LANES + lane];
      int word = (shared >>> (2 * j) & 3) << 30;
      for (int field = 0; field < 5; field++) {
        int column = 16 * group + 5 * j + field;
        word |= (codes[column * ScalarGrid.LANES + lane] & 0x3F) << (6 * field);
      }
      block.set(LittleEndian.INT, offsetBytes + (long) unit * UNIT_BYTES, word);
    }
  }

  /** The code of one lane and column, 0 to 63, of the block at {@code offsetBytes}. */
  static int codeAt(
      Encoding encoding, MemorySegment panel, long offsetBytes, int lane, int column) {
    return switch (encoding) {
      case Q8 -> word(panel, offsetBytes, lane, column / 4) >>> (8 * (column % 4)) & 0xFF;
      case Q4 -> word(panel, offsetBytes, lane, column / 8) >>> (4 * (column % 8)) & 0xF;
      case Q6 -> sixBitsAt(panel, offsetBytes, lane, column / 16, column % 16);
      default -> throw new IllegalArgumentException(encoding + " has no codes");
    };
  }

  private static int sixBitsAt(
      MemorySegment panel, long offsetBytes, int lane, int group, int column) {
    if (column < 15) {
      return word(panel, offsetBytes, lane, 3 * group + column / 5) >>> (6 * (column % 5)) & 0x3F;
    }
    int code = 0;
    for (int j = 0; j < 3; j++) {
      code |= word(panel, offsetBytes, lane, 3 * group + j) >>> 30 << (2 * j);
    }
    return code;
  }

  private static int word(MemorySegment panel, long offsetBytes, int lane, int unit) {
    return panel.get(LittleEndian.INT, offsetBytes + (long) unit * UNIT_BYTES + lane * 4L);
  }
}
