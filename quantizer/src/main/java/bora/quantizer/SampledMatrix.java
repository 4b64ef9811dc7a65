package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.util.Arrays;

/**
 * A small matrix in memory: some rows, or rows and columns, of a tensor.
 *
 * @param values row-major
 */
record SampledMatrix(TensorKey key, TensorShape shape, float[] values) implements WeightSource {
  private static final int MAX_RUNS = 16;

  /**
   * Which of so many rows or columns a sample takes: at most 16 runs of 16 neighbours, evenly
   * spaced.
   */
  static int[] sampledIndices(int count) {
    int runs = Math.ceilDiv(count, ScalarGrid.LANES);
    int taken = Math.min(runs, MAX_RUNS);
    int[] indices = new int[taken * ScalarGrid.LANES];
    int length = 0;
    for (int i = 0; i < taken; i++) {
      int first = (int) ((long) i * runs / taken) * ScalarGrid.LANES;
      for (int index = first; index < Math.min(count, first + ScalarGrid.LANES); index++) {
        indices[length++] = index;
      }
    }
    return Arrays.copyOf(indices, length);
  }

  @Override
  public Encoding exactEncoding() {
    return Encoding.F32;
  }

  @Override
  public void readRows(int row, int count, float[] target, int offset) {
    System.arraycopy(values, row * shape.columns(), target, offset, count * shape.columns());
  }

  /** Multiplies every column by a factor. */
  void scaleColumns(float[] factors) {
    for (int i = 0; i < values.length; i++) {
      values[i] *= factors[i % factors.length];
    }
  }

  /** The sum of the squares of each row. */
  double[] rowSquares() {
    double[] squares = new double[shape.rows()];
    for (int i = 0; i < values.length; i++) {
      squares[i / shape.columns()] += (double) values[i] * values[i];
    }
    return squares;
  }

  /** The sum of the squares of each column. */
  double[] columnSquares() {
    double[] squares = new double[shape.columns()];
    for (int i = 0; i < values.length; i++) {
      squares[i % shape.columns()] += (double) values[i] * values[i];
    }
    return squares;
  }
}
