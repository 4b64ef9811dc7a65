package bora.verifier;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;

/** The squared error that an encoding keeps on some weights; {@code docs/verification.md}. */
final class EncodingPromise {
  /** A tensor of the same deviation that has nothing to do with it makes at least 1. */
  static final double WORST = 0.9;

  /** Of a bf16's spacing above its value: half of 2^-7. */
  private static final double BF16_ROUNDING = 0x1p-8;

  /** A row's scale is a bf16, rounded up. */
  private static final double ROW_SCALE_ROUNDING = 1 + 0x1p-7;

  /** The sub-scales are a fifth of an octave apart, and the smallest is an eighth. */
  private static final double SUB_SCALE_RATIO = Math.pow(2, 0.2);

  private static final double SMALLEST_SUB_SCALE = 1.0 / 8;

  /**
   * Trellis codes come within 1.7 dB (a factor of 1.5) of the best, 4^-bits, on Gaussian weights;
   * the rest is for rows with heavier tails.
   */
  private static final double TRELLIS = 3;

  private EncodingPromise() {}

  /**
   * The squared error of a row that no honest encoder exceeds on these weights: the scales can be
   * chosen so that every weight is within half a step, and others are only chosen if they lose
   * less.
   */
  static double ofRow(Encoding encoding, float[] row) {
    double rowLargest = largest(row, 0, row.length);
    double promised = 0;
    for (int first = 0; first < row.length; first += ScalarGrid.COLUMNS_PER_BLOCK) {
      int end = Math.min(first + ScalarGrid.COLUMNS_PER_BLOCK, row.length);
      promised += ofBlock(encoding, row, first, end, rowLargest);
    }
    return promised;
  }

  private static double ofBlock(
      Encoding encoding, float[] row, int first, int end, double rowLargest) {
    if (encoding.isScalar()) {
      double covered =
          Math.max(SUB_SCALE_RATIO * largest(row, first, end), SMALLEST_SUB_SCALE * rowLargest);
      double reach = ScalarGrid.centre(encoding.codeBits()) + 0.5;
      double halfStep = ROW_SCALE_ROUNDING * covered / reach / 2;
      return (end - first) * halfStep * halfStep;
    }
    double share = 0;
    if (encoding == Encoding.BF16) {
      share = BF16_ROUNDING * BF16_ROUNDING;
    } else if (encoding.isTrellis()) {
      share = Math.min(WORST, TRELLIS * Math.pow(4, -encoding.codeBits()));
    }
    double promised = 0;
    for (int i = first; i < end; i++) {
      promised += share * row[i] * row[i];
    }
    return promised;
  }

  private static double largest(float[] values, int first, int end) {
    double largest = 0;
    for (int i = first; i < end; i++) {
      largest = Math.max(largest, Math.abs(values[i]));
    }
    return largest;
  }
}
