package bora.runtime;

import bora.formats.model.ModelConfig;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;

/**
 * The layers of a model over a batch of tokens or a single one, with all the memory that takes. The
 * residual stream stays in place; everything else is overwritten layer by layer.
 */
final class ForwardPass implements AutoCloseable {
  /** Rows of logits computed at a time when all are wanted, to bound their memory. */
  private static final int LOGITS_ROWS = 64;

  private final ModelConfig config;
  private final ModelWeights weights;
  private final int maxTokens;
  private final DecoderLayer layers;
  private final FloatArray logits;
  private FloatArray logitsRows = FloatArray.ofLength(0);

  /**
   * @param maxTokens the most tokens of one batch
   */
  ForwardPass(
      Kernels kernels,
      WorkerPool pool,
      ModelConfig config,
      ModelWeights weights,
      KvCacheType cacheType,
      int contextTokens,
      int maxTokens) {
    this.config = config;
    this.weights = weights;
    this.maxTokens = maxTokens;
    layers =
        new DecoderLayer(
            kernels, pool, config, cacheType, config.layerCount(), contextTokens, maxTokens);
    logits = FloatArray.ofLength(config.vocabSize());
  }

  void imposeRouting(RoutingSource source) {
    layers.imposeRouting(source);
  }

  /**
   * Runs a batch, {@code tokens[start]} to {@code tokens[start + count - 1]}, at {@code
   * firstPosition} and those that follow.
   */
  void runBatch(int[] tokens, int start, int count, int firstPosition, ForwardObserver observer) {
    for (int i = 0; i < count; i++) {
      embed(tokens[start + i], i);
    }
    tellHidden(0, firstPosition, count, layers.residual().values(), observer);
    layers.setPositions(firstPosition, count);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      layers.runBatch(
          weights.layers().get(layer),
          layer,
          layer,
          firstPosition,
          count,
          observer,
          LinearInputObserver.NONE);
      tellOutput(layer, firstPosition, count, observer);
    }
    finish(firstPosition, count, observer);
  }

  /** Runs a single token. */
  void runToken(int token, int position, ForwardObserver observer) {
    embed(token, 0);
    tellHidden(0, position, 1, layers.residual().values(), observer);
    layers.setPositions(position, 1);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      layers.runToken(weights.layers().get(layer), layer, position, observer);
      tellOutput(layer, position, 1, observer);
    }
    finish(position, 1, observer);
  }

  private void embed(int token, int row) {
    weights.embedding().decodeRow(token, layers.residual().values(), row * config.hiddenSize());
  }

  /** The output of the last layer is heard after the output norm, in {@link #finish}. */
  private void tellOutput(int layer, int firstPosition, int count, ForwardObserver observer) {
    if (layer + 1 < config.layerCount()) {
      tellHidden(layer + 1, firstPosition, count, layers.residual().values(), observer);
    }
  }

  private void finish(int firstPosition, int count, ForwardObserver observer) {
    layers.normalize(weights.outputNorm(), count);
    tellHidden(config.layerCount(), firstPosition, count, layers.normalized().values(), observer);
  }

  private void tellHidden(
      int index, int firstPosition, int count, float[] rows, ForwardObserver observer) {
    for (int i = 0; i < count; i++) {
      observer.hidden(index, firstPosition + i, rows, i * config.hiddenSize());
    }
  }

  /** The logits after a row of the last batch, in an array that the next call overwrites. */
  float[] logits(int row) {
    layers
        .product()
        .compute(weights.lmHead(), layers.normalized(), row * config.hiddenSize(), 1, logits, 0);
    return logits.values();
  }

  /**
   * Tells the logits of all rows of the last batch, and returns the last row's: {@link #logits}.
   */
  float[] tellLogits(int firstPosition, int count, ForwardObserver observer) {
    int vocabSize = config.vocabSize();
    if (logitsRows.length() == 0) {
      int rows = Math.min(maxTokens, LOGITS_ROWS);
      logitsRows = FloatArray.ofLength(Math.multiplyExact(rows, vocabSize));
    }
    int rows = 0;
    for (int start = 0; start < count; start += rows) {
      rows = Math.min(LOGITS_ROWS, count - start);
      layers
          .product()
          .compute(
              weights.lmHead(),
              layers.normalized(),
              start * config.hiddenSize(),
              rows,
              logitsRows,
              0);
      for (int row = 0; row < rows; row++) {
        observer.logits(firstPosition + start + row, logitsRows.values(), row * vocabSize);
      }
    }
    System.arraycopy(logitsRows.values(), (rows - 1) * vocabSize, logits.values(), 0, vocabSize);
    return logits.values();
  }

  /** See {@link KvCache#fill}. */
  void fillCache() {
    layers.fillCache();
  }

  /** Gives the memory of the cache back. */
  @Override
  public void close() {
    layers.close();
  }
}
