package bora.quantizer;

import bora.quantizer.calibration.SecondMoments;
import java.util.Arrays;

/**
 * How the error of one column is fed back into those after it: {@code H + lambda I = M M^T} with M
 * upper triangular, H the second moments of the input. Column k is rounded after {@code sum over j
 * < k of (w_j - q_j) M_jk / M_kk} was added to it; then the loss {@code tr(E (H + lambda I) E^T)}
 * is the sum of {@code M_kk^2} times the squared rounding errors (LDLQ, arXiv:2307.13304; the same
 * as GPTQ, arXiv:2210.17323).
 *
 * <p>Sums are doubles in a fixed order, their factors floats: the same bits everywhere.
 */
public final class FeedbackFactor {
  private static final double DAMPING = 0.01;

  /** For inputs with fewer rows than {@link #FEW_ROWS_PER_COLUMN} a column. */
  private static final double DAMPING_OF_FEW_ROWS = 0.03;

  private static final int FEW_ROWS_PER_COLUMN = 2;
  private static final int PANEL = 64;
  private static final int SOLVED_ROWS = 16;

  private final int blockColumns;
  private final float[][] coefficients;
  private final double[] weights;

  private FeedbackFactor(int blockColumns, float[][] coefficients, double[] weights) {
    this.blockColumns = blockColumns;
    this.coefficients = coefficients;
    this.weights = weights;
  }

  /** No feedback, every column of weight 1: for inputs that nothing is known of. */
  public static FeedbackFactor identity(int columns) {
    double[] weights = new double[columns];
    Arrays.fill(weights, 1);
    float[][] coefficients = new float[columns][];
    Arrays.fill(coefficients, new float[0]);
    return new FeedbackFactor(1, coefficients, weights);
  }

  /**
   * Factors moments. An input that was never seen has the {@link #identity}.
   *
   * @throws ArithmeticException when they are no second moments: not positive definite
   */
  public static FeedbackFactor of(SecondMoments moments) {
    int columns = moments.columns();
    if (moments.isEmpty()) {
      return identity(columns);
    }
    boolean few = moments.rows() < (long) FEW_ROWS_PER_COLUMN * columns;
    FeedbackFactor factor =
        new FeedbackFactor(
            SecondMoments.blockColumns(columns), new float[columns][], new double[columns]);
    int first = 0;
    for (double[][] block : moments.blocks()) {
      factor.factorBlock(block, first, few ? DAMPING_OF_FEW_ROWS : DAMPING);
      first += block.length;
    }
    return factor;
  }

  private void factorBlock(double[][] moments, int first, double damping) {
    int columns = moments.length;
    double trace = 0;
    for (int i = 0; i < columns; i++) {
      trace += moments[i][i];
    }
    // A block without any input weighs next to nothing, but must not divide by zero.
    double lambda = Math.max(damping * trace / columns, Double.MIN_NORMAL);
    double[][] rest = new double[columns][];
    for (int i = 0; i < columns; i++) {
      rest[i] = moments[i].clone();
      rest[i][i] += lambda;
    }
    float[][] panel = new float[PANEL][columns];
    for (int end = columns; end > 0; end -= Math.min(PANEL, end)) {
      int start = Math.max(0, end - PANEL);
      for (int column = end - 1; column >= start; column--) {
        takeColumn(rest, column, first, panel[column - start]);
        for (int row = start; row < column; row++) {
          subtract(rest[row], panel[column - start], panel[column - start][row], row + 1);
        }
      }
      for (int row = 0; row < start; row++) {
        for (int column = end - 1; column >= start; column--) {
          subtract(rest[row], panel[column - start], panel[column - start][row], row + 1);
        }
      }
    }
  }

  /** Ends column j of M: {@code M_ij = rest_ji / sqrt(rest_jj)} for i up to j. */
  private void takeColumn(double[][] rest, int column, int first, float[] m) {
    double pivot = rest[column][column];
    if (!(pivot > 0)) {
      throw new ArithmeticException(
          "second moments: column "
              + (first + column)
              + ": expected a positive pivot, found "
              + pivot);
    }
    double root = Math.sqrt(pivot);
    float[] coefficient = new float[column];
    for (int i = 0; i < column; i++) {
      coefficient[i] = (float) (rest[column][i] / pivot);
      m[i] = (float) (rest[column][i] / root);
    }
    coefficients[first + column] = coefficient;
    weights[first + column] = pivot;
  }

  private static void subtract(double[] row, float[] m, float factor, int length) {
    double f = factor;
    for (int i = 0; i < length; i++) {
      row[i] -= f * m[i];
    }
  }

  /**
   * Solves {@code Y (H + lambda I) = C} for rows of C, in place; H without what its blocks leave
   * out.
   *
   * @param rows of all columns, or of those from {@code first} on that are one block
   */
  void solve(double[][] rows, int first, int count) {
    float[][] later = new float[count][];
    for (int k = 0; k < count; k++) {
      later[k] = new float[count - k - 1];
      float[] earlier = coefficients[first + k];
      for (int i = 0; i < k; i++) {
        later[i][k - i - 1] = earlier[i];
      }
    }
    // Some rows at a time, so that a column's coefficients come from the nearest cache.
    for (int start = 0; start < rows.length; start += SOLVED_ROWS) {
      int end = Math.min(start + SOLVED_ROWS, rows.length);
      for (int k = count - 1; k >= 0; k--) {
        for (int r = start; r < end; r++) {
          subtract(rows[r], 0, coefficients[first + k], rows[r][k], k);
        }
      }
      for (int k = 0; k < count; k++) {
        for (int r = start; r < end; r++) {
          rows[r][k] /= weights[first + k];
        }
      }
      for (int k = 0; k < count; k++) {
        for (int r = start; r < end; r++) {
          subtract(rows[r], k + 1, later[k], rows[r][k], count - k - 1);
        }
      }
    }
  }

  private static void subtract(double[] row, int at, float[] m, double factor, int length) {
    for (int i = 0; i < length; i++) {
      row[at + i] -= factor * m[i];
    }
  }

  /** The number of columns. */
  public int columns() {
    return weights.length;
  }

  /** The first column whose errors go into a column. */
  int blockStart(int column) {
    return column - column % blockColumns;
  }

  /** What part of the error of column {@code blockStart(column) + i} goes into a column. */
  float[] coefficients(int column) {
    return coefficients[column];
  }

  /** What a squared rounding error of a column costs. */
  double weight(int column) {
    return weights[column];
  }
}
