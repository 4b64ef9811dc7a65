package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import bora.quantizer.calibration.SecondMoments;
import java.io.IOException;
import java.util.List;

/**
 * Moves weights before they are rounded to where they make up for what rounding did to their input:
 * with x the input of the float model, y that of the rounded one and r the error of the residual
 * stream that the product is added to, {@code W + (W sum (x - y) y^T + sum r y^T / 2) (H + lambda
 * I)^-1}, the least squares fit of {@code W x + r / 2} by the inputs there are; all sums weighted
 * like H, which is that of y. Half of r, for what is learnt of it holds only in part for other
 * texts.
 *
 * <p>Inputs in blocks are corrected block by block.
 */
public final class MismatchCorrection {
  private static final double RESIDUAL_SHARE = 0.5;

  /** Rows and columns that are corrected together: their shifts stay in the second cache. */
  private static final int BLOCK_ROWS = 64;

  private static final int TILE_COLUMNS = 32;

  /** What part of the difference is made up for; less where little was seen of many columns. */
  private final double share;

  private final FeedbackFactor factor;

  /** By block: {@code sum (x - y) y^T (H + lambda I)^-1}, a row a column. */
  private final double[][][] inputShift;

  /** By block: {@code sum r y^T (H + lambda I)^-1 / 2}, a row an output; empty without r. */
  private final double[][][] outputShift;

  /**
   * @param factor of y
   * @param input by block, {@code sum (x - y) y^T}; taken over
   * @param residual by block, {@code sum r y^T}, or none; taken over
   */
  public MismatchCorrection(
      FeedbackFactor factor,
      SecondMoments moments,
      List<double[][]> input,
      List<double[][]> residual) {
    this.factor = factor;
    share = moments.rows() < 2L * moments.columns() ? 0.5 : 1;
    inputShift = solved(input, share);
    outputShift = solved(residual, RESIDUAL_SHARE * share);
  }

  private double[][][] solved(List<double[][]> sums, double part) {
    double[][][] solved = sums.toArray(double[][][]::new);
    int first = 0;
    for (double[][] block : solved) {
      int columns = block[0].length;
      factor.solve(block, first, columns);
      for (double[] row : block) {
        for (int i = 0; i < columns; i++) {
          row[i] *= part;
        }
      }
      first += columns;
    }
    return solved;
  }

  /** The corrected weights of a matrix that reads the input. */
  public WeightSource correct(WeightSource source) {
    return new Corrected(source);
  }

  /**
   * Corrected rows, a block at a time, so that memory gives the shifts once for all of them. For
   * one thread.
   */
  private final class Corrected implements WeightSource {
    private final WeightSource source;
    private float[] block = {};
    private int blockStart = -1;

    Corrected(WeightSource source) {
      this.source = source;
    }

    @Override
    public TensorKey key() {
      return source.key();
    }

    @Override
    public TensorShape shape() {
      return source.shape();
    }

    @Override
    public Encoding exactEncoding() throws IOException {
      return source.exactEncoding();
    }

    @Override
    public void readRows(int row, int count, float[] values, int offset) throws IOException {
      int columns = shape().columns();
      for (int r = 0; r < count; r++) {
        int start = (row + r) / BLOCK_ROWS * BLOCK_ROWS;
        if (start != blockStart) {
          computeBlock(start);
        }
        int from = (row + r - start) * columns;
        System.arraycopy(block, from, values, offset + r * columns, columns);
      }
    }

    private void computeBlock(int start) throws IOException {
      int rows = Math.min(BLOCK_ROWS, shape().rows() - start);
      int columns = shape().columns();
      float[] weights = new float[rows * columns];
      source.readRows(start, rows, weights, 0);
      block = new float[weights.length];
      blockStart = start;
      double[] sums = new double[TILE_COLUMNS];
      int first = 0;
      for (int part = 0; part < inputShift.length; part++) {
        int width = inputShift[part].length;
        for (int tile = 0; tile < width; tile += TILE_COLUMNS) {
          int length = Math.min(TILE_COLUMNS, width - tile);
          for (int row = 0; row < rows; row++) {
            int at = row * columns + first;
            for (int i = 0; i < length; i++) {
              sums[i] = weights[at + tile + i];
            }
            for (int i = 0; i < width; i++) {
              addScaled(sums, inputShift[part][i], tile, weights[at + i], length);
            }
            if (outputShift.length > 0) {
              addScaled(sums, outputShift[part][start + row], tile, 1, length);
            }
            for (int i = 0; i < length; i++) {
              block[at + tile + i] = (float) sums[i];
            }
          }
        }
        first += width;
      }
    }

    private static void addScaled(double[] sums, double[] x, int xAt, double scale, int length) {
      for (int i = 0; i < length; i++) {
        sums[i] += scale * x[xAt + i];
      }
    }
  }
}
