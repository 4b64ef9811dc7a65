package bora.quantizer;

import java.util.Arrays;

/**
 * How the errors of rows are fed back into later rows where some directions of the output matter
 * more than others. With V [rows, directions] the loss is {@code tr((I + V V^T) E H E^T)}; whatever
 * H is, the best errors of the rows 2 that are left, given the errors E1 of those before, are
 * {@code -V2 (I + V2^T V2)^-1 V1^T E1}. Rows are rounded in groups, each after that was subtracted
 * from what its errors shall be.
 */
public final class OutputFeedback {
  /** Rows that are rounded together: the rows of a panel of trellis codes. */
  static final int GROUP_ROWS = 64;

  /** All directions matter alike. */
  public static final OutputFeedback NONE = new OutputFeedback(new double[0][]);

  private final int count;

  /** V, row by row. */
  private final float[] directions;

  /** By group of rows, {@code V2 (I + V2^T V2)^-1} of the group's rows, direction by direction. */
  private final float[][] shares;

  /**
   * @param directions V transposed: [directions, rows], each scaled by the root of what it counts
   *     for
   */
  public OutputFeedback(double[][] directions) {
    count = directions.length;
    int rows = count == 0 ? 0 : directions[0].length;
    this.directions = new float[Math.multiplyExact(count, rows)];
    for (int row = 0; row < rows; row++) {
      for (int i = 0; i < count; i++) {
        this.directions[row * count + i] = (float) directions[i][row];
      }
    }
    shares = new float[Math.ceilDiv(rows, GROUP_ROWS)][];
    double[][] gram = new double[count][count];
    for (int i = 0; i < count; i++) {
      gram[i][i] = 1;
    }
    for (int group = shares.length - 1; group >= 0; group--) {
      int first = group * GROUP_ROWS;
      int length = Math.min(GROUP_ROWS, rows - first);
      for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
          for (int row = first; row < first + length; row++) {
            gram[i][j] += directions[i][row] * directions[j][row];
          }
        }
      }
      shares[group] = shares(gram, directions, first, length);
    }
  }

  /** {@code V G^-1} of some rows, by elimination: G has no eigenvalue below 1. */
  private static float[] shares(double[][] gram, double[][] directions, int first, int length) {
    int count = directions.length;
    double[][] left = new double[count][];
    double[][] right = new double[count][length];
    for (int i = 0; i < count; i++) {
      left[i] = gram[i].clone();
      System.arraycopy(directions[i], first, right[i], 0, length);
    }
    for (int k = 0; k < count; k++) {
      for (int i = k + 1; i < count; i++) {
        double factor = left[i][k] / left[k][k];
        subtract(left[i], left[k], factor);
        subtract(right[i], right[k], factor);
      }
    }
    float[] shares = new float[count * length];
    for (int k = count - 1; k >= 0; k--) {
      for (int i = k + 1; i < count; i++) {
        subtract(right[k], right[i], left[k][i]);
      }
      for (int row = 0; row < length; row++) {
        right[k][row] /= left[k][k];
        shares[k * length + row] = (float) right[k][row];
      }
    }
    return shares;
  }

  private static void subtract(double[] from, double[] x, double factor) {
    for (int i = 0; i < x.length; i++) {
      from[i] -= factor * x[i];
    }
  }

  boolean isNone() {
    return count == 0;
  }

  /** Room for {@code V1^T E1} of a matrix, column by column, before its first row. */
  double[] newSums(int columns) {
    return new double[Math.multiplyExact(columns, count)];
  }

  /**
   * Moves what a group of rows is rounded to.
   *
   * @param sums of the rows before
   * @param shifts receives what was added
   */
  void shift(LaneGroup group, int firstRow, double[] sums, double[] shifts) {
    float[] share = shares[firstRow / GROUP_ROWS];
    int rows = group.rowCount();
    for (int column = 0; column < group.columns(); column++) {
      int at = column * group.lanes();
      Arrays.fill(shifts, at, at + group.lanes(), 0);
      for (int i = 0; i < count; i++) {
        addScaled(shifts, at, share, i * rows, sums[column * count + i], rows);
      }
      for (int lane = at; lane < at + rows; lane++) {
        group.values()[lane] += (float) shifts[lane];
      }
    }
  }

  /**
   * Adds the errors of a group of rows to the sums.
   *
   * @param errors of what {@link #shift} made, as the shifts are laid out
   */
  void add(LaneGroup group, int firstRow, float[] errors, double[] shifts, double[] sums) {
    for (int column = 0; column < group.columns(); column++) {
      int at = column * group.lanes();
      for (int row = 0; row < group.rowCount(); row++) {
        double error = errors[at + row] - shifts[at + row];
        addScaled(sums, column * count, directions, (firstRow + row) * count, error, count);
      }
    }
  }

  private static void addScaled(
      double[] sums, int sumsAt, float[] x, int at, double factor, int length) {
    for (int i = 0; i < length; i++) {
      sums[sumsAt + i] += factor * x[at + i];
    }
  }
}
