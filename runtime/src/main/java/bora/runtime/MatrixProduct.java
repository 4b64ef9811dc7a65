package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;

/**
 * The product of a matrix and the activations of some tokens, its rows split over the threads. The
 * object is the loop's body and made once, so that decoding allocates nothing.
 */
final class MatrixProduct implements WorkerPool.RangeTask {
  /** Threads share work in units of this many rows: whole panels of every encoding. */
  static final int ROWS_PER_BLOCK = 64;

  private final Kernels kernels;
  private final WorkerPool pool;

  private EncodedTensor matrix;
  private FloatArray x;
  private int xOffset;
  private int tokens;
  private FloatArray y;
  private int yOffset;

  MatrixProduct(Kernels kernels, WorkerPool pool) {
    this.kernels = kernels;
    this.pool = pool;
  }

  /**
   * Computes {@code y[t] = matrix * x[t]}.
   *
   * @param x [tokens, columns] from {@code xOffset}
   * @param y receives [tokens, rows] from {@code yOffset}
   */
  void compute(
      EncodedTensor matrix, FloatArray x, int xOffset, int tokens, FloatArray y, int yOffset) {
    this.matrix = matrix;
    this.x = x;
    this.xOffset = xOffset;
    this.tokens = tokens;
    this.y = y;
    this.yOffset = yOffset;
    pool.forEachRange(blockCount(matrix), this);
  }

  @Override
  public void run(int blockStart, int blockEnd) {
    multiplyBlocks(kernels, matrix, blockStart, blockEnd, x, xOffset, tokens, y, yOffset);
  }

  /** Number of blocks of rows of a matrix. */
  static int blockCount(EncodedTensor matrix) {
    return Math.ceilDiv(matrix.shape().rows(), ROWS_PER_BLOCK);
  }

  /** The rows of some blocks of a product, on the calling thread. */
  static void multiplyBlocks(
      Kernels kernels,
      EncodedTensor matrix,
      int blockStart,
      int blockEnd,
      FloatArray x,
      int xOffset,
      int tokens,
      FloatArray y,
      int yOffset) {
    int rows = matrix.shape().rows();
    int columns = matrix.shape().columns();
    int panelsPerBlock = ROWS_PER_BLOCK / matrix.encoding().rowsPerPanel();
    int panelEnd = Math.min(blockEnd * panelsPerBlock, matrix.encoding().panelCount(rows));
    kernels.multiply(
        matrix,
        x,
        xOffset,
        columns,
        tokens,
        y,
        yOffset,
        rows,
        blockStart * panelsPerBlock,
        panelEnd);
  }
}
