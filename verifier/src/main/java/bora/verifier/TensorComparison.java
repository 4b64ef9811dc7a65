package bora.verifier;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorKey;

/** One tensor's encoded weights against the right ones, gathered row by row. */
final class TensorComparison {
  /** Rounding to nearest was done in float32: up to 256 steps with 24 bits, so 2^-16 of a step. */
  private static final double HALF_STEP = 0.5 + 0x1p-14;

  /** Of a bf16's spacing above its value: half of 2^-7. */
  private static final double BF16_ROUNDING = 0x1p-8;

  /** A row's scale is a bf16, rounded up. */
  private static final double ROW_SCALE_ROUNDING = 1 + 0x1p-7;

  /** The sub-scales are a fifth of an octave apart, and the smallest is an eighth. */
  private static final double SUB_SCALE_RATIO = Math.pow(2, 0.2);

  private static final double SMALLEST_SUB_SCALE = 1.0 / 8;

  /**
   * Trellis codes come within 1.2 dB (a factor of 1.3) of the best, 4^-bits, on Gaussian weights;
   * the rest is for rows with heavier tails.
   */
  private static final double TRELLIS = 3;

  /** A tensor of the same deviation that has nothing to do with it makes at least 1. */
  private static final double WORST_PROMISE = 0.9;

  private final TensorKey key;
  private final EncodedTensor tensor;
  private final float[] stored;
  private int rows;
  private double squaredDifference;
  private double squares;
  private double promisedSquares;
  private long misrounded;
  private TensorError.Place firstMisrounded = new TensorError.Place(0, 0);

  TensorComparison(TensorKey key, EncodedTensor tensor) {
    this.key = key;
    this.tensor = tensor;
    this.stored = new float[tensor.shape().columns()];
  }

  /**
   * @param expected the row's right weights
   */
  void addRow(int row, float[] expected) {
    tensor.decodeRow(row, stored, 0);
    double rowLargest = largest(expected, 0, expected.length);
    for (int first = 0; first < expected.length; first += ScalarGrid.COLUMNS_PER_BLOCK) {
      int end = Math.min(first + ScalarGrid.COLUMNS_PER_BLOCK, expected.length);
      addBlock(row, first, end, expected);
      promisedSquares += promised(expected, first, end, rowLargest);
    }
    rows++;
  }

  private void addBlock(int row, int first, int end, float[] expected) {
    double step = tensor.encoding().isScalar() ? tensor.step(row, first) : Double.NaN;
    for (int column = first; column < end; column++) {
      double difference = (double) stored[column] - expected[column];
      squaredDifference += difference * difference;
      squares += (double) expected[column] * expected[column];
      if (!isNearest(step, expected[column], stored[column])) {
        if (misrounded == 0) {
          firstMisrounded = new TensorError.Place(row, column);
        }
        misrounded++;
      }
    }
  }

  private boolean isNearest(double step, float expected, float found) {
    if (tensor.encoding().isTrellis()) {
      return true;
    }
    if (tensor.encoding().isScalar()) {
      return isNearestLevel(step, expected, found);
    }
    boolean rounded = tensor.encoding() == Encoding.BF16;
    return found == (rounded ? BFloat16.toFloat(BFloat16.fromFloat(expected)) : expected);
  }

  /** Beyond the last level there is no nearer one. */
  private boolean isNearestLevel(double step, double expected, double found) {
    double centre = ScalarGrid.centre(tensor.encoding().codeBits());
    if (step == 0) {
      return found == 0 && Math.abs(expected) < ScalarGrid.MIN_ROW_SCALE * (centre + 1);
    }
    boolean last = Math.abs(found) > (centre - 0.5) * step;
    boolean beyond = last && Math.abs(expected) > Math.abs(found) && expected * found > 0;
    return beyond || Math.abs(expected - found) <= HALF_STEP * step;
  }

  /**
   * The squared error of a block that no honest encoder exceeds on these weights: the scales can be
   * chosen so that every weight is within half a step, and others are only chosen if they lose
   * less.
   */
  private double promised(float[] expected, int first, int end, double rowLargest) {
    Encoding encoding = tensor.encoding();
    double promised = 0;
    if (encoding == Encoding.BF16) {
      for (int i = first; i < end; i++) {
        promised += expected[i] * (double) expected[i] * BF16_ROUNDING * BF16_ROUNDING;
      }
    }
    if (encoding.isScalar()) {
      double covered =
          Math.max(
              SUB_SCALE_RATIO * largest(expected, first, end), SMALLEST_SUB_SCALE * rowLargest);
      double reach = ScalarGrid.centre(encoding.codeBits()) + 0.5;
      double halfStep = ROW_SCALE_ROUNDING * covered / reach / 2;
      promised = (end - first) * halfStep * halfStep;
    }
    if (encoding.isTrellis()) {
      double share = TRELLIS * Math.pow(4, -encoding.codeBits());
      for (int i = first; i < end; i++) {
        promised += Math.min(WORST_PROMISE, share) * expected[i] * expected[i];
      }
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

  int rows() {
    return rows;
  }

  TensorError result() {
    double relative = squares == 0 ? squaredDifference : squaredDifference / squares;
    double promised = squares == 0 ? promisedSquares : promisedSquares / squares;
    return new TensorError(
        key, tensor.encoding(), rows, relative, promised, misrounded, firstMisrounded);
  }
}
