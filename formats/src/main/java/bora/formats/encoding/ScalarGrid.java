package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/**
 * The half-integer symmetric grid of the scalar encodings and where its scales stand in a panel:
 * {@code weight = (code - centre) * (rowScale * SUB_SCALE[index])}. Encoders and decoders both go
 * by this class.
 */
public final class ScalarGrid {
  /** Columns that share a sub-scale. */
  public static final int COLUMNS_PER_BLOCK = 64;

  /** Rows of a panel. */
  public static final int LANES = 16;

  /** Number of sub-scales. */
  public static final int SUB_SCALE_COUNT = 16;

  /** No row scale but zero is smaller, so that no product with a sub-scale is ever denormal. */
  public static final float MIN_ROW_SCALE = 0x1p-100f;

  private static final int ROW_SCALES_BYTES = 2 * LANES;
  private static final int SUB_SCALES_BYTES = LANES / 2;

  /** 2^(-i/5) as float32; written out because libraries differ in the last bit of powers. */
  private static final float[] SUB_SCALE = {
    0x1.0p0f, 0x1.bdb8cep-1f, 0x1.8406p-1f, 0x1.51cb46p-1f,
    0x1.261118p-1f, 0x1.0p-1f, 0x1.bdb8cep-2f, 0x1.8406p-2f,
    0x1.51cb46p-2f, 0x1.261118p-2f, 0x1.0p-2f, 0x1.bdb8cep-3f,
    0x1.8406p-3f, 0x1.51cb46p-3f, 0x1.261118p-3f, 0x1.0p-3f
  };

  private ScalarGrid() {}

  /** Sub-scale {@code index}, 0 to 15. */
  public static float subScale(int index) {
    return SUB_SCALE[index];
  }

  /** The code, not an integer, that would stand for zero: (2^bits - 1) / 2. */
  public static float centre(int codeBits) {
    return ((1 << codeBits) - 1) * 0.5f;
  }

  /** The step between two levels. */
  public static float step(float rowScale, int subScaleIndex) {
    return rowScale * SUB_SCALE[subScaleIndex];
  }

  /** The value of a code. The difference is exact, the product is rounded once. */
  public static float value(int code, int codeBits, float step) {
    return (code - centre(codeBits)) * step;
  }

  /** Bytes of the scales that a panel begins with. */
  static long headerBytes(int blocks) {
    return Encoding.alignUp(
        Math.addExact(ROW_SCALES_BYTES, Math.multiplyExact((long) blocks, SUB_SCALES_BYTES)),
        Encoding.ALIGNMENT_BYTES);
  }

  /** Where a lane's bf16 row scale stands in its panel. */
  public static long rowScaleOffsetBytes(int lane) {
    return 2L * lane;
  }

  /** Where the sixteen 4-bit indices of a block stand in their panel: a 64-bit word. */
  public static long subScalesOffsetBytes(int blockIndex) {
    return ROW_SCALES_BYTES + (long) blockIndex * SUB_SCALES_BYTES;
  }

  static float rowScale(MemorySegment panel, int lane) {
    return BFloat16.toFloat(panel.get(LittleEndian.SHORT, rowScaleOffsetBytes(lane)));
  }

  static int subScaleIndex(MemorySegment panel, int lane, int blockIndex) {
    long indices = panel.get(LittleEndian.LONG, subScalesOffsetBytes(blockIndex));
    return (int) (indices >>> (4 * lane)) & 15;
  }
}
