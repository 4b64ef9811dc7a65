package bora.quantizer.calibration;

import java.util.List;

/**
 * {@code X^T X} of the inputs of a linear layer of the folded model, in blocks on the diagonal.
 *
 * @param rows how many inputs were added up
 * @param blocks lower triangles: row i of a block has {@code i + 1} values
 */
public record SecondMoments(long rows, List<double[][]> blocks) {
  /** The widest input that is kept whole. */
  private static final int MAX_WHOLE_COLUMNS = 4096;

  /** Blocks of wider inputs. */
  private static final int BLOCK_COLUMNS = 2048;

  public SecondMoments {
    blocks = List.copyOf(blocks);
  }

  /** The width of the blocks of an input; the last may be narrower. */
  public static int blockColumns(int columns) {
    return columns <= MAX_WHOLE_COLUMNS ? columns : BLOCK_COLUMNS;
  }

  /** The number of columns of all blocks together. */
  public int columns() {
    return blocks.stream().mapToInt(block -> block.length).sum();
  }

  /** The sums of squares, one a column. */
  public double[] diagonal() {
    double[] diagonal = new double[columns()];
    int column = 0;
    for (double[][] block : blocks) {
      for (int i = 0; i < block.length; i++) {
        diagonal[column++] = block[i][i];
      }
    }
    return diagonal;
  }

  /** Whether nothing was seen: no input, or zeros alone. */
  public boolean isEmpty() {
    for (double square : diagonal()) {
      if (square > 0) {
        return false;
      }
    }
    return true;
  }
}
