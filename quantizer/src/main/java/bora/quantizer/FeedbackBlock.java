package bora.quantizer;

import bora.formats.encoding.ScalarGrid;
import java.util.Arrays;
import java.util.List;

/**
 * 64 columns of some rows on their way through the feedback. Arrays that a loop writes have another
 * element type than those that it reads, because C2 vectorises a loop only where it sees that its
 * stores cannot change its loads.
 */
final class FeedbackBlock {
  private static final int COLUMNS = ScalarGrid.COLUMNS_PER_BLOCK;

  private final int lanes;
  private final double[] weights;
  private final double[] targets;
  private final float[] trialErrors;
  private final double[] target;
  private final float[] rounded;
  private final double[] values;
  private final float[] costs;
  private final float[] bestCosts;
  private final float[] rowScales;
  private final float[] steps;
  private final float[] inverseSteps;
  private final int[] indices;
  private final int[] bestIndices;

  private int first;
  private int count;

  FeedbackBlock(int lanes) {
    this.lanes = lanes;
    weights = new double[COLUMNS * lanes];
    targets = new double[COLUMNS * lanes];
    trialErrors = new float[COLUMNS * lanes];
    target = new double[lanes];
    rounded = new float[lanes];
    values = new double[lanes];
    costs = new float[lanes];
    bestCosts = new float[lanes];
    rowScales = new float[lanes];
    steps = new float[lanes];
    inverseSteps = new float[lanes];
    indices = new int[lanes];
    bestIndices = new int[lanes];
  }

  int lanes() {
    return lanes;
  }

  void setRowScales(float[] scales) {
    System.arraycopy(scales, 0, rowScales, 0, lanes);
  }

  /** Takes columns of a group; rows that the group does not have are zero. */
  void load(LaneGroup group, int firstColumn, int columnCount) {
    first = firstColumn;
    count = columnCount;
    for (int column = 0; column < count; column++) {
      int source = (first + column) * group.lanes();
      for (int lane = 0; lane < lanes; lane++) {
        weights[column * lanes + lane] = lane < group.lanes() ? group.values()[source + lane] : 0;
      }
    }
    System.arraycopy(weights, 0, targets, 0, count * lanes);
  }

  /**
   * Adds the errors of all columns before this block to its targets.
   *
   * @param errors of column c at {@code c * lanes}
   */
  void addFeedback(FeedbackFactor factor, float[] errors) {
    // Tiles of columns whose errors stay in the nearest cache.
    for (int tile = factor.blockStart(first); tile < first; tile += COLUMNS) {
      int tileEnd = Math.min(tile + COLUMNS, first);
      for (int column = 0; column < count; column++) {
        float[] coefficients = factor.coefficients(first + column);
        int start = factor.blockStart(first + column);
        for (int earlier = Math.max(tile, start); earlier < tileEnd; earlier++) {
          addScaled(
              targets,
              column * lanes,
              errors,
              earlier * lanes,
              coefficients[earlier - start],
              lanes);
        }
      }
    }
  }

  /** Sets the target of a column, feedback from within the block included. */
  private void setTarget(FeedbackFactor factor, int column, float[] errors, int errorsOffset) {
    System.arraycopy(targets, column * lanes, target, 0, lanes);
    float[] coefficients = factor.coefficients(first + column);
    int start = factor.blockStart(first + column);
    for (int earlier = Math.max(first, start); earlier < first + column; earlier++) {
      addScaled(
          target,
          0,
          errors,
          errorsOffset + (earlier - first) * lanes,
          coefficients[earlier - start],
          lanes);
    }
    narrow(target, rounded, lanes);
  }

  /**
   * The index for each row that costs least, each try judged with feedback inside the block.
   *
   * @return valid until the next call
   */
  int[] chooseSubScales(int codeBits, FeedbackFactor factor) {
    float reach = ScalarGrid.centre(codeBits) + 0.5f;
    for (int lane = 0; lane < lanes; lane++) {
      double largest = 0;
      for (int column = 0; column < count; column++) {
        largest = Math.max(largest, Math.abs(targets[column * lanes + lane]));
      }
      indices[lane] = Math.max(0, coveringIndex(rowScales[lane], largest, reach) - 1);
    }
    Arrays.fill(bestCosts, Float.POSITIVE_INFINITY);
    int tries = tries(codeBits);
    for (int attempt = 0; attempt < tries; attempt++) {
      measure(codeBits, factor);
      for (int lane = 0; lane < lanes; lane++) {
        if (costs[lane] < bestCosts[lane]) {
          bestCosts[lane] = costs[lane];
          bestIndices[lane] = indices[lane];
        }
        indices[lane] =
            rowScales[lane] == 0 ? 0 : Math.min(indices[lane] + 1, ScalarGrid.SUB_SCALE_COUNT - 1);
      }
    }
    return bestIndices;
  }

  /** One coarser than what covers the block, that, and some finer: more, the fewer the bits. */
  private static int tries(int codeBits) {
    return switch (codeBits) {
      case 1, 2 -> 7;
      case 3, 4 -> 6;
      case 5 -> 5;
      default -> 3;
    };
  }

  private static int coveringIndex(float rowScale, double largest, float reach) {
    int index = 0;
    while (rowScale > 0
        && index + 1 < ScalarGrid.SUB_SCALE_COUNT
        && ScalarGrid.step(rowScale, index + 1) * (double) reach >= largest) {
      index++;
    }
    return index;
  }

  /** Sets the costs of rounding the block with the indices being tried. */
  private void measure(int codeBits, FeedbackFactor factor) {
    for (int lane = 0; lane < lanes; lane++) {
      steps[lane] = ScalarGrid.step(rowScales[lane], indices[lane]);
      inverseSteps[lane] = steps[lane] == 0 ? 0 : 1 / steps[lane];
    }
    Arrays.fill(costs, 0);
    float centre = ScalarGrid.centre(codeBits);
    int topCode = (1 << codeBits) - 1;
    for (int column = 0; column < count; column++) {
      setTarget(factor, column, trialErrors, 0);
      round(rounded, inverseSteps, steps, centre, topCode, values, lanes);
      difference(weights, column * lanes, values, trialErrors, column * lanes, lanes);
      addSquares(target, values, factor.weight(first + column), costs, lanes);
    }
  }

  /**
   * Encodes the block.
   *
   * @param errors receives those of the block's columns
   * @return the loss
   */
  double encode(List<ColumnCoder> coders, FeedbackFactor factor, float[] errors) {
    int panelRows = coders.getFirst().encoding().rowsPerPanel();
    float[] panelTargets = new float[panelRows];
    float[] decoded = new float[panelRows];
    double loss = 0;
    for (int column = 0; column < count; column++) {
      setTarget(factor, column, errors, first * lanes);
      double squares = 0;
      for (int panel = 0; panel < coders.size(); panel++) {
        System.arraycopy(rounded, panel * panelRows, panelTargets, 0, panelRows);
        coders.get(panel).encodeColumn(panelTargets, first + column, decoded);
        for (int row = 0; row < panelRows; row++) {
          int lane = panel * panelRows + row;
          double difference = target[lane] - decoded[row];
          squares += difference * difference;
          errors[(first + column) * lanes + lane] =
              (float) (weights[column * lanes + lane] - decoded[row]);
        }
      }
      loss += squares * factor.weight(first + column);
    }
    return loss;
  }

  private static void addScaled(
      double[] sums, int sumsAt, float[] errors, int errorsAt, float factor, int length) {
    double f = factor;
    for (int i = 0; i < length; i++) {
      sums[sumsAt + i] += f * errors[errorsAt + i];
    }
  }

  private static void narrow(double[] from, float[] to, int length) {
    for (int i = 0; i < length; i++) {
      to[i] = (float) from[i];
    }
  }

  private static void round(
      float[] targets,
      float[] inverseSteps,
      float[] steps,
      float centre,
      int topCode,
      double[] values,
      int length) {
    for (int i = 0; i < length; i++) {
      float position = targets[i] * inverseSteps[i] + (centre + 0.5f);
      int code = Math.min(Math.max((int) position, 0), topCode);
      values[i] = (code - centre) * steps[i];
    }
  }

  private static void difference(
      double[] weights, int weightsAt, double[] values, float[] errors, int errorsAt, int length) {
    for (int i = 0; i < length; i++) {
      errors[errorsAt + i] = (float) (weights[weightsAt + i] - values[i]);
    }
  }

  private static void addSquares(
      double[] targets, double[] values, double weight, float[] costs, int length) {
    for (int i = 0; i < length; i++) {
      double difference = targets[i] - values[i];
      costs[i] += (float) (weight * difference * difference);
    }
  }
}
