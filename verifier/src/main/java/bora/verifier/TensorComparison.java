package bora.verifier;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorKey;

/** Weights that were rounded to the nearest value, each by itself. */
final class TensorComparison implements RowComparison {
  /** Rounding to nearest was done in float32: up to 256 steps with 24 bits, so 2^-16 of a step. */
  private static final double HALF_STEP = 0.5 + 0x1p-14;

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

  @Override
  public void addRow(int row, float[] expected) {
    tensor.decodeRow(row, stored, 0);
    promisedSquares += EncodingPromise.ofRow(tensor.encoding(), expected);
    for (int first = 0; first < expected.length; first += ScalarGrid.COLUMNS_PER_BLOCK) {
      int end = Math.min(first + ScalarGrid.COLUMNS_PER_BLOCK, expected.length);
      addBlock(row, first, end, expected);
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

  @Override
  public TensorError result() {
    double relative = squares == 0 ? squaredDifference : squaredDifference / squares;
    double promised = squares == 0 ? promisedSquares : promisedSquares / squares;
    return new TensorError(
        key, tensor.encoding(), rows, relative, promised, misrounded, firstMisrounded);
  }
}
