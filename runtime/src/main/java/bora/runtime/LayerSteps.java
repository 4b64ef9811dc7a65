package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;

/**
 * The steps of a layer one by one, for those who decide between two steps which weights the next
 * one computes with. Sequences begin at position 0, [tokens, width] each. The arithmetic is that of
 * {@link LayerPass}, bit for bit. For one thread at a time.
 */
public final class LayerSteps implements AutoCloseable {
  private final ModelConfig config;
  private final Kernels kernels;
  private final WorkerPool pool;
  private final GramProduct gramProduct;
  private final KvCache cache;
  private final RotaryEmbedding rotary;
  private final Attention attention;
  private final MatrixProduct product;
  private final GatedProduct gatedProduct;
  private final ExpertRouter router;
  private final FloatArray queries;
  private final FloatArray keys;
  private final FloatArray values;
  private final FloatArray routerLogits;

  /**
   * @param maxTokens the most tokens of a sequence
   */
  public LayerSteps(ModelConfig config, int maxTokens, RuntimeOptions options) {
    this.config = config;
    kernels = Model.kernels(options);
    pool = new WorkerPool(options.threads());
    gramProduct = new GramProduct(kernels, pool);
    cache = new KvCache(config, KvCacheType.F32, 1, maxTokens, maxTokens);
    rotary = new RotaryEmbedding(kernels, config.headDim(), config.ropeTheta(), maxTokens);
    attention = new Attention(kernels, pool, config, cache);
    product = new MatrixProduct(kernels, pool);
    gatedProduct = new GatedProduct(kernels, pool, config.intermediateSize(), maxTokens);
    router = new ExpertRouter(config.expertCount(), config.expertsPerToken());
    queries = FloatArray.ofLength(Math.multiplyExact(maxTokens, config.queryWidth()));
    keys = FloatArray.ofLength(Math.multiplyExact(maxTokens, config.kvWidth()));
    values = FloatArray.ofLength(keys.length());
    routerLogits = FloatArray.ofLength(Math.multiplyExact(maxTokens, config.expertCount()));
  }

  /** Adds second moments on the threads of these steps. */
  public GramProduct gramProduct() {
    return gramProduct;
  }

  /** The RMS norm of each row. */
  public void normalize(EncodedTensor norm, float[] x, int rows, float[] normalized) {
    int width = config.hiddenSize();
    FloatArray weight = FloatArray.ofLength(width);
    norm.decodeRow(0, weight.values(), 0);
    FloatArray from = FloatArray.wrap(x);
    FloatArray to = FloatArray.wrap(normalized);
    pool.forEachRange(
        rows,
        (start, end) -> {
          for (int row = start; row < end; row++) {
            int offset = row * width;
            float epsilon = (float) config.rmsNormEps();
            kernels.rmsNorm(from, offset, weight, epsilon, to, offset, width);
          }
        });
  }

  /** What o reads: the attention of a whole sequence, from its normalized hidden states. */
  public void attend(
      EncodedTensor query,
      EncodedTensor key,
      EncodedTensor value,
      float[] normalized,
      int tokens,
      float[] attended) {
    rotary.setPositions(0, tokens);
    FloatArray x = FloatArray.wrap(normalized);
    EncodedTensor[] projections = {query, key, value};
    product.compute(projections, x, 0, tokens, new FloatArray[] {queries, keys, values}, 0);
    rotary.rotate(queries, config.headCount(), tokens);
    rotary.rotate(keys, config.kvHeadCount(), tokens);
    attention.compute(0, 0, tokens, queries, keys, values, FloatArray.wrap(attended));
  }

  /** The product of a matrix and each row. */
  public void multiply(EncodedTensor matrix, float[] x, int rows, float[] y) {
    product.compute(matrix, FloatArray.wrap(x), 0, rows, FloatArray.wrap(y), 0);
  }

  /** What w2 reads: the gated activations of some rows. */
  public void gate(EncodedTensor w1, EncodedTensor w3, float[] x, int rows, float[] gated) {
    gatedProduct.compute(w1, w3, FloatArray.wrap(x), 0, rows, FloatArray.wrap(gated));
  }

  /**
   * Chooses experts by the router, for a mixture of experts.
   *
   * @param experts receives [tokens, expertsPerToken]
   * @param weights receives their weights
   */
  public void route(
      EncodedTensor routerMatrix, float[] normalized, int tokens, int[] experts, float[] weights) {
    product.compute(routerMatrix, FloatArray.wrap(normalized), 0, tokens, routerLogits, 0);
    for (int token = 0; token < tokens; token++) {
      int logits = token * config.expertCount();
      int offset = token * config.expertsPerToken();
      router.choose(routerLogits.values(), logits, experts, offset);
      router.weigh(routerLogits.values(), logits, experts, weights, offset);
    }
  }

  /** Adds {@code scale * x} to y. */
  public void addScaled(float scale, float[] x, int xOffset, float[] y, int yOffset, int length) {
    kernels.addScaled(scale, FloatArray.wrap(x), xOffset, FloatArray.wrap(y), yOffset, length);
  }

  /** Ends the threads and gives the memory back. */
  @Override
  public void close() {
    pool.close();
    cache.close();
  }
}
