package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.TokenActivations;
import bora.runtime.kernel.WorkerPool;

/**
 * The product of a matrix, or of several, and the activations of some tokens, their rows split over
 * the threads in one loop. The object is the loop's body and made once, so that decoding allocates
 * nothing.
 */
final class MatrixProduct implements WorkerPool.RangeTask {
  /** Threads share work in units of this many rows: whole panels of every encoding. */
  static final int ROWS_PER_BLOCK = 64;

  private final Kernels kernels;
  private final WorkerPool pool;
  private final TokenActivations x = new TokenActivations();

  private final EncodedTensor[] one = new EncodedTensor[1];
  private final FloatArray[] oneProduct = new FloatArray[1];

  private EncodedTensor[] matrices;
  private FloatArray[] products;
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
    one[0] = matrix;
    oneProduct[0] = y;
    compute(one, x, xOffset, tokens, oneProduct, yOffset);
  }

  /**
   * Computes {@code products[i][t] = matrices[i] * x[t]}.
   *
   * @param matrices of as many columns each
   * @param x [tokens, columns] from {@code xOffset}
   * @param products each receives [tokens, rows] from {@code yOffset}
   */
  void compute(
      EncodedTensor[] matrices,
      FloatArray x,
      int xOffset,
      int tokens,
      FloatArray[] products,
      int yOffset) {
    this.x.set(x, xOffset, matrices[0].shape().columns(), tokens);
    this.matrices = matrices;
    this.products = products;
    this.yOffset = yOffset;
    int blocks = 0;
    for (EncodedTensor matrix : matrices) {
      blocks += blockCount(matrix);
    }
    forEachBlock(pool, blocks, tokens, this);
  }

  @Override
  public void run(int blockStart, int blockEnd) {
    int first = 0;
    for (int i = 0; i < matrices.length; i++) {
      int count = blockCount(matrices[i]);
      int start = Math.max(0, blockStart - first);
      int end = Math.min(count, blockEnd - first);
      if (start < end) {
        multiplyBlocks(kernels, matrices[i], start, end, x, products[i], yOffset);
      }
      first += count;
    }
  }

  /**
   * Splits blocks over threads. Several tokens' activations are made ready anew for each range, so
   * their ranges are few; a single one's are kept.
   */
  static void forEachBlock(WorkerPool pool, int blocks, int tokens, WorkerPool.RangeTask task) {
    if (tokens == 1) {
      pool.forEachRangeShared(blocks, task);
    } else {
      pool.forEachRange(blocks, task);
    }
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
      TokenActivations x,
      FloatArray y,
      int yOffset) {
    int rows = matrix.shape().rows();
    int panelsPerBlock = ROWS_PER_BLOCK / matrix.encoding().rowsPerPanel();
    int panelEnd = Math.min(blockEnd * panelsPerBlock, matrix.encoding().panelCount(rows));
    kernels.multiply(matrix, x, y, yOffset, rows, blockStart * panelsPerBlock, panelEnd);
  }
}
