package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;
import java.util.Arrays;

/**
 * What one layer does to a batch of tokens or a single one, with all the memory that takes; one
 * object serves all layers in turn. The residual stream stays in place, everything else is
 * overwritten.
 */
final class DecoderLayer implements AutoCloseable {
  private final Kernels kernels;
  private final WorkerPool pool;
  private final ModelConfig config;
  private final KvCache cache;
  private final RotaryEmbedding rotary;
  private final MatrixProduct product;
  private final Attention attention;
  private final FeedForward feedForward;
  private final NormRows normRows = new NormRows();

  private final FloatArray residual;
  private final FloatArray normalized;
  private final FloatArray queries;
  private final FloatArray keys;
  private final FloatArray values;
  private final FloatArray attended;
  private final EncodedTensor[] projections = new EncodedTensor[3];
  private final FloatArray[] projected;
  private final float[] rowWeights;

  /**
   * @param cachedLayers how many layers the KV cache holds
   * @param maxTokens the most tokens of one batch
   */
  DecoderLayer(
      Kernels kernels,
      WorkerPool pool,
      ModelConfig config,
      KvCacheType cacheType,
      int cachedLayers,
      int contextTokens,
      int maxTokens) {
    this.kernels = kernels;
    this.pool = pool;
    this.config = config;
    cache = new KvCache(config, cacheType, cachedLayers, contextTokens, maxTokens);
    rotary = new RotaryEmbedding(kernels, config.headDim(), config.ropeTheta(), maxTokens);
    product = new MatrixProduct(kernels, pool);
    attention = new Attention(kernels, pool, config, cache);
    feedForward = new FeedForward(kernels, pool, config, product, maxTokens);
    residual = FloatArray.ofLength(Math.multiplyExact(maxTokens, config.hiddenSize()));
    normalized = FloatArray.ofLength(residual.length());
    queries = FloatArray.ofLength(Math.multiplyExact(maxTokens, config.queryWidth()));
    keys = FloatArray.ofLength(Math.multiplyExact(maxTokens, config.kvWidth()));
    values = FloatArray.ofLength(keys.length());
    projected = new FloatArray[] {queries, keys, values};
    attended = FloatArray.ofLength(queries.length());
    rowWeights = new float[maxTokens];
  }

  MatrixProduct product() {
    return product;
  }

  /** The residual stream, [tokens, hidden]. */
  FloatArray residual() {
    return residual;
  }

  /** What the last norm left, [tokens, hidden]. */
  FloatArray normalized() {
    return normalized;
  }

  void imposeRouting(RoutingSource source) {
    feedForward.imposeRouting(source);
  }

  /** Sets the positions of the batch that goes through the layers next. */
  void setPositions(int firstPosition, int count) {
    rotary.setPositions(firstPosition, count);
  }

  /**
   * Runs a layer over the residual stream of a batch.
   *
   * @param cacheLayer where its keys and values go
   */
  void runBatch(
      LayerWeights weights,
      int layer,
      int cacheLayer,
      int firstPosition,
      int count,
      ForwardObserver observer,
      LinearInputObserver inputs) {
    normalize(weights.attentionNorm(), count);
    Arrays.fill(rowWeights, 0, count, 1);
    if (firstPosition == 0) {
      rowWeights[0] = inputs.firstTokenFactor();
    }
    inputs.inputs(
        TensorKey.ofLayer(layer, TensorRole.QUERY), count, normalized.values(), 0, rowWeights, 0);
    attend(weights, cacheLayer, firstPosition, count);
    inputs.inputs(
        TensorKey.ofLayer(layer, TensorRole.ATTENTION_OUTPUT),
        count,
        attended.values(),
        0,
        rowWeights,
        0);
    addAttended(weights, count);
    normalize(weights.feedForwardNorm(), count);
    feedForward.addBatch(
        weights, layer, firstPosition, count, normalized, residual, observer, inputs);
  }

  /** Runs a layer over the residual stream of a single token. */
  void runToken(LayerWeights weights, int layer, int position, ForwardObserver observer) {
    normalize(weights.attentionNorm(), 1);
    attend(weights, layer, position, 1);
    addAttended(weights, 1);
    normalize(weights.feedForwardNorm(), 1);
    feedForward.addToken(weights, layer, position, normalized, residual, observer);
  }

  /** From what the norm left to what o reads. */
  private void attend(LayerWeights weights, int cacheLayer, int firstPosition, int count) {
    projections[0] = weights.query();
    projections[1] = weights.key();
    projections[2] = weights.value();
    product.compute(projections, normalized, 0, count, projected, 0);
    rotary.rotate(queries, config.headCount(), count);
    rotary.rotate(keys, config.kvHeadCount(), count);
    attention.compute(cacheLayer, firstPosition, count, queries, keys, values, attended);
  }

  /** Adds what o makes of it to the residual stream. */
  private void addAttended(LayerWeights weights, int count) {
    product.compute(weights.attentionOutput(), attended, 0, count, normalized, 0);
    kernels.addScaled(1, normalized, 0, residual, 0, count * config.hiddenSize());
  }

  /** Normalizes the residual stream into {@link #normalized}. */
  void normalize(FloatArray weight, int count) {
    normRows.weight = weight;
    pool.forEachRange(count, normRows);
  }

  /** See {@link KvCache#fill}. */
  void fillCache() {
    cache.fill();
  }

  /** Gives the memory of the cache back. */
  @Override
  public void close() {
    cache.close();
  }

  private final class NormRows implements WorkerPool.RangeTask {
    private FloatArray weight;

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
