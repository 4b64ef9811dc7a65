package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.TokenActivations;
import bora.runtime.kernel.WorkerPool;

/**
 * The first half of an expert, {@code silu(w1 x) * (w3 x)}, its rows split over the threads. A
 * thread gates the rows it has just computed.
 */
final class GatedProduct implements WorkerPool.RangeTask {
  private final Kernels kernels;
  private final WorkerPool pool;
  private final FloatArray up;
  private final TokenActivations x = new TokenActivations();

  private EncodedTensor gate;
  private EncodedTensor upMatrix;
  private int tokens;
  private FloatArray gated;

  /**
   * @param maxTokens the most tokens of one call
   */
  GatedProduct(Kernels kernels, WorkerPool pool, int intermediateSize, int maxTokens) {
    this.kernels = kernels;
    this.pool = pool;
    this.up = FloatArray.ofLength(Math.multiplyExact(intermediateSize, maxTokens));
  }

  /**
   * Computes the gated activations of some tokens.
   *
   * @param gate w1
   * @param upMatrix w3
   * @param x [tokens, hiddenSize] from {@code xOffset}
   * @param gated receives [tokens, intermediateSize]
   */
  void compute(
      EncodedTensor gate,
      EncodedTensor upMatrix,
      FloatArray x,
      int xOffset,
      int tokens,
      FloatArray gated) {
    this.gate = gate;
    this.upMatrix = upMatrix;
    this.x.set(x, xOffset, gate.shape().columns(), tokens);
    this.tokens = tokens;
    this.gated = gated;
    MatrixProduct.forEachBlock(pool, MatrixProduct.blockCount(gate), tokens, this);
  }

  @Override
  public void run(int blockStart, int blockEnd) {
    multiply(gate, blockStart, blockEnd, gated);
    multiply(upMatrix, blockStart, blockEnd, up);
    int rows = gate.shape().rows();
    int rowStart = blockStart * MatrixProduct.ROWS_PER_BLOCK;
    int rowCount = Math.min(blockEnd * MatrixProduct.ROWS_PER_BLOCK, rows) - rowStart;
    for (int token = 0; token < tokens; token++) {
      int offset = token * rows + rowStart;
      kernels.swiGlu(gated, offset, up, offset, gated, offset, rowCount);
    }
  }

  private void multiply(EncodedTensor matrix, int blockStart, int blockEnd, FloatArray y) {
    MatrixProduct.multiplyBlocks(kernels, matrix, blockStart, blockEnd, x, y, 0);
  }
}
