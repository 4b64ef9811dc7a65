package bora.verifier;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorKey;
import java.util.ArrayList;
import java.util.List;

/**
 * Weights that were rounded together, errors fed back and corrected for what their input lost: each
 * may be far from its own, but what goes wrong in scales and places shows in sums over many. The
 * <em>gain</em> of some weights is their regression on the right ones; {@code docs/verification.md}
 * has the limits.
 */
final class FeedbackComparison implements RowComparison {
  /** As far as two bits fewer: what feedback may add to plain rounding. */
  private static final double SHARE = 16;

  /** What corrections may move however fine a matrix is: they make up for what coarse ones lost. */
  private static final double CORRECTION = 0.25;

  /** What has nothing to do with the right weights makes 1. */
  private static final double UNRELATED = 0.95;

  private static final double MAX_MATRIX_GAIN = 1.6;

  private static final double MIN_MATRIX_GAIN = 0.5;

  /** Codes of one or two bits shrink all weights, and feedback them more than others. */
  private static final double MIN_COARSE_GAIN = 0.2;

  private static final int COARSE_BITS = 2;

  /** What corrections may do to a row beside its matrix, whatever its error is. */
  private static final double ROW_SHIFT = 0.25;

  /** Coarser rounding hides a step of a block's scale, and a block's gain strays from its row's. */
  private static final int MIN_BLOCK_BITS = 6;

  /** The error of fewer may be small by chance. */
  private static final int MIN_BLOCK_WEIGHTS = 16;

  /** What corrections may do to a block beside its row. */
  private static final double BLOCK_SHIFT = 0.05;

  /** Standard deviations that a gain may be from the one it is compared with. */
  private static final double DEVIATIONS = 8;

  private final TensorKey key;
  private final EncodedTensor tensor;
  private final float[] stored;
  private final Sums all = new Sums();
  private final Sums allWithin = new Sums();
  private final List<Integer> rows = new ArrayList<>();
  private final List<Sums> sumsOfRows = new ArrayList<>();
  private double promisedSquares;
  private long wrong;
  private TensorError.Place firstWrong = new TensorError.Place(0, 0);

  /** Sums over some weights. */
  private static final class Sums {
    private int count;
    private double products;
    private double squares;
    private double foundSquares;
    private double squaredDifference;

    void add(double found, double expected) {
      count++;
      products += found * expected;
      squares += expected * expected;
      foundSquares += found * found;
      squaredDifference += (found - expected) * (found - expected);
    }

    double gain() {
      return products / squares;
    }

    /** The squared error of the best multiple of what was found, divided by the right squares. */
    double unexplained() {
      return foundSquares == 0 ? 1 : 1 - products / squares * (products / foundSquares);
    }

    /** Relative, without what a wrong gain makes of it. */
    double error() {
      double gain = gain();
      return Math.max(0, squaredDifference / squares - (gain - 1) * (gain - 1));
    }

    /** What errors that go their own way make of the gain of so many weights. */
    double gainDeviation() {
      return Math.sqrt(error() / count);
    }
  }

  FeedbackComparison(TensorKey key, EncodedTensor tensor) {
    this.key = key;
    this.tensor = tensor;
    this.stored = new float[tensor.shape().columns()];
  }

  @Override
  public void addRow(int row, float[] expected) {
    tensor.decodeRow(row, stored, 0);
    promisedSquares += EncodingPromise.ofRow(tensor.encoding(), expected);
    double last = 0;
    for (float value : stored) {
      last = Math.max(last, Math.abs(value));
    }
    Sums within = new Sums();
    for (int column = 0; column < expected.length; column++) {
      all.add(stored[column], expected[column]);
      // What lies beyond the last level was cut off: that is no matter of scale.
      if (Math.abs(expected[column]) <= last) {
        within.add(stored[column], expected[column]);
        allWithin.add(stored[column], expected[column]);
      }
    }
    rows.add(row);
    sumsOfRows.add(within);
    boolean blocksTell =
        tensor.encoding().isScalar() && tensor.encoding().codeBits() >= MIN_BLOCK_BITS;
    if (blocksTell && within.squares > 0) {
      compareBlocks(row, expected, within);
    }
  }

  private void compareBlocks(int row, float[] expected, Sums ofRow) {
    for (int first = 0; first < expected.length; first += ScalarGrid.COLUMNS_PER_BLOCK) {
      int end = Math.min(first + ScalarGrid.COLUMNS_PER_BLOCK, expected.length);
      if (end - first < MIN_BLOCK_WEIGHTS) {
        continue;
      }
      Sums block = new Sums();
      for (int column = first; column < end; column++) {
        block.add(stored[column], expected[column]);
      }
      double allowed = BLOCK_SHIFT + DEVIATIONS * block.gainDeviation();
      if (Math.abs(block.gain() / ofRow.gain() - 1) > allowed) {
        found(row, first, block.count);
      }
    }
  }

  private void found(int row, int column, long weights) {
    if (wrong == 0) {
      firstWrong = new TensorError.Place(row, column);
    }
    wrong += weights;
  }

  @Override
  public TensorError result() {
    if (all.squares == 0) {
      return result(all.squaredDifference, 0);
    }
    double gain = all.gain();
    boolean coarse = tensor.encoding().codeBits() <= COARSE_BITS;
    double least = coarse ? MIN_COARSE_GAIN : MIN_MATRIX_GAIN;
    if (!(gain >= least && gain <= MAX_MATRIX_GAIN)) {
      found(rows.getFirst(), 0, all.count);
    }
    double ofRows = allWithin.gain();
    for (int i = 0; i < rows.size(); i++) {
      Sums row = sumsOfRows.get(i);
      double allowed = ROW_SHIFT + DEVIATIONS * row.gainDeviation() / ofRows;
      // Of zeros alone there is no gain.
      if (row.squares > 0 && !(Math.abs(row.gain() / ofRows - 1) <= allowed)) {
        found(rows.get(i), 0, stored.length);
      }
    }
    double allowed = CORRECTION + SHARE * promisedSquares / all.squares;
    return result(all.unexplained(), Math.min(UNRELATED, allowed));
  }

  private TensorError result(double relative, double promised) {
    return new TensorError(
        key, tensor.encoding(), rows.size(), relative, promised, wrong, firstWrong);
  }
}
