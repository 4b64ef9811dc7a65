package bora.runtime;

import bora.formats.model.ModelConfig;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;
import java.util.Arrays;

/**
 * The layers of a model over a batch of tokens or a single one, with all the memory that takes. The
 * residual stream stays in place; everything else is overwritten layer by layer.
 */
final class ForwardPass {
  /** Rows of logits computed at a time when all are wanted, to bound their memory. */
  private static final int LOGITS_ROWS = 64;

  private final Kernels kernels;
  private final WorkerPool pool;
  private final ModelConfig config;
  private final ModelWeights weights;
  private final int maxTokens;
  private final KvCache cache;
  private final RotaryEmbedding rotary;
  private final MatrixProduct product;
  private final Attention attention;
  private final FeedForward feedForward;
  private final NormRows normRows = new NormRows();

  private final float[] residual;
  private final float[] normalized;
  private final float[] queries;
  private final float[] keys;
  private final float[] values;
  private final float[] attended;
  private float[] logitsRows = new float[0];

  /**
   * @param maxTokens the most tokens of one batch
   */
  ForwardPass(
      Kernels kernels,
      WorkerPool pool,
      ModelConfig config,
      ModelWeights weights,
      int contextTokens,
      int maxTokens) {
    this.kernels = kernels;
    this.pool = pool;
    this.config = config;
    this.weights = weights;
    this.maxTokens = maxTokens;
    cache = new KvCache(config, contextTokens, maxTokens);
    rotary = new RotaryEmbedding(kernels, config.headDim(), config.ropeTheta(), maxTokens);
    product = new MatrixProduct(kernels, pool);
    attention = new Attention(kernels, pool, config, cache);
    feedForward = new FeedForward(kernels, pool, config, product, maxTokens);
    residual = new float[Math.multiplyExact(maxTokens, config.hiddenSize())];
    normalized = new float[residual.length];
    queries = new float[Math.multiplyExact(maxTokens, config.queryWidth())];
    keys = new float[Math.multiplyExact(maxTokens, config.kvWidth())];
    values = new float[keys.length];
    attended = new float[queries.length];
  }

  KvCache cache() {
    return cache;
  }

  void imposeRouting(RoutingSource source) {
    feedForward.imposeRouting(source);
  }

  /**
   * Runs a batch, {@code tokens[start]} to {@code tokens[start + count - 1]}, at {@code
   * firstPosition} and those that follow.
   */
  void runBatch(int[] tokens, int start, int count, int firstPosition, ForwardObserver observer) {
    for (int i = 0; i < count; i++) {
      embed(tokens[start + i], i);
    }
    tellHidden(0, firstPosition, count, residual, observer);
    rotary.setPositions(firstPosition, count);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      LayerWeights layerWeights = weights.layers().get(layer);
      attend(layerWeights, layer, firstPosition, count);
      normalize(layerWeights.feedForwardNorm(), count);
      feedForward.addBatch(
          layerWeights, layer, firstPosition, count, normalized, residual, observer);
      tellOutput(layer, firstPosition, count, observer);
    }
    finish(firstPosition, count, observer);
  }

  /** Runs a single token. */
  void runToken(int token, int position, ForwardObserver observer) {
    embed(token, 0);
    tellHidden(0, position, 1, residual, observer);
    rotary.setPositions(position, 1);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      LayerWeights layerWeights = weights.layers().get(layer);
      attend(layerWeights, layer, position, 1);
      normalize(layerWeights.feedForwardNorm(), 1);
      feedForward.addToken(layerWeights, layer, position, normalized, residual, observer);
      tellOutput(layer, position, 1, observer);
    }
    finish(position, 1, observer);
  }

  private void embed(int token, int row) {
    weights.embedding().decodeRow(token, residual, row * config.hiddenSize());
  }

  private void attend(LayerWeights layerWeights, int layer, int firstPosition, int count) {
    normalize(layerWeights.attentionNorm(), count);
    product.compute(layerWeights.query(), normalized, 0, count, queries, 0);
    product.compute(layerWeights.key(), normalized, 0, count, keys, 0);
    product.compute(layerWeights.value(), normalized, 0, count, values, 0);
    rotary.rotate(queries, config.headCount(), count);
    rotary.rotate(keys, config.kvHeadCount(), count);
    cache.put(layer, firstPosition, count, keys, values);
    attention.compute(layer, firstPosition, count, queries, attended);
    product.compute(layerWeights.attentionOutput(), attended, 0, count, normalized, 0);
    kernels.addScaled(1, normalized, 0, residual, 0, count * config.hiddenSize());
  }

  private void normalize(float[] weight, int count) {
    normRows.weight = weight;
    pool.forEachRange(count, normRows);
  }

  /** The output of the last layer is heard after the output norm, in {@link #finish}. */
  private void tellOutput(int layer, int firstPosition, int count, ForwardObserver observer) {
    if (layer + 1 < config.layerCount()) {
      tellHidden(layer + 1, firstPosition, count, residual, observer);
    }
  }

  private void finish(int firstPosition, int count, ForwardObserver observer) {
    normalize(weights.outputNorm(), count);
    tellHidden(config.layerCount(), firstPosition, count, normalized, observer);
  }

  private void tellHidden(
      int index, int firstPosition, int count, float[] rows, ForwardObserver observer) {
    for (int i = 0; i < count; i++) {
      observer.hidden(index, firstPosition + i, rows, i * config.hiddenSize());
    }
  }

  /** The logits after a row of the last batch, a new array. */
  float[] logits(int row) {
    float[] logits = new float[config.vocabSize()];
    product.compute(weights.lmHead(), normalized, row * config.hiddenSize(), 1, logits, 0);
    return logits;
  }

  /** Tells the logits of all rows of the last batch, and returns a copy of the last row's. */
  float[] tellLogits(int firstPosition, int count, ForwardObserver observer) {
    int vocabSize = config.vocabSize();
    if (logitsRows.length == 0) {
      logitsRows = new float[Math.multiplyExact(Math.min(maxTokens, LOGITS_ROWS), vocabSize)];
    }
    int rows = 0;
    for (int start = 0; start < count; start += rows) {
      rows = Math.min(LOGITS_ROWS, count - start);
      product.compute(
          weights.lmHead(), normalized, start * config.hiddenSize(), rows, logitsRows, 0);
      for (int row = 0; row < rows; row++) {
        observer.logits(firstPosition + start + row, logitsRows, row * vocabSize);
      }
    }
    return Arrays.copyOfRange(logitsRows, (rows - 1) * vocabSize, rows * vocabSize);
  }

  /** Normalizes rows of the residual stream into {@code normalized}. */
  private final class NormRows implements WorkerPool.RangeTask {
    private float[] weight;

    @Override
    public void run(int start, int end) {
      int width = config.hiddenSize();
      for (int row = start; row < end; row++) {
        kernels.rmsNorm(
            residual,
            row * width,
            weight,
            (float) config.rmsNormEps(),
            normalized,
            row * width,
            width);
      }
    }
  }
}
