package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;
import java.util.Arrays;
import java.util.function.Function;

/**
 * A model run one layer at a time over windows of tokens, each a sequence of its own: for those who
 * bring a layer's weights, run all windows through it and let the weights go before the next. The
 * hidden states between the layers are the caller's. A layer computes what {@link Session#prefill}
 * computes with the same weights, bit for bit. For one thread at a time.
 */
public final class LayerPass implements AutoCloseable {
  private final ModelConfig config;
  private final int maxTokens;
  private final WorkerPool pool;
  private final DecoderLayer layers;
  private final GramProduct gramProduct;

  /**
   * @param maxTokens the most tokens of a window
   */
  public LayerPass(ModelConfig config, int maxTokens, RuntimeOptions options) {
    Kernels kernels = Model.kernels(options);
    this.config = config;
    this.maxTokens = maxTokens;
    pool = new WorkerPool(options.threads());
    layers = new DecoderLayer(kernels, pool, config, KvCacheType.F32, 1, maxTokens, maxTokens);
    gramProduct = new GramProduct(kernels, pool);
  }

  /** Adds second moments on the threads of this pass. */
  public GramProduct gramProduct() {
    return gramProduct;
  }

  /**
   * Runs a layer over a window, in place.
   *
   * @param tensors gives the layer's tensors, matrices in native memory
   * @param hidden [tokens, hidden] from {@code offset}
   * @param observer hears the router's logits
   * @param inputs hears what the linear layers read
   */
  public void run(
      int layer,
      Function<TensorKey, EncodedTensor> tensors,
      int tokens,
      float[] hidden,
      int offset,
      ForwardObserver observer,
      LinearInputObserver inputs) {
    checkTokens(tokens);
    int length = tokens * config.hiddenSize();
    System.arraycopy(hidden, offset, layers.residual().values(), 0, length);
    layers.setPositions(0, tokens);
    LayerWeights weights = ModelWeights.layer(config, layer, tensors);
    layers.runBatch(weights, layer, 0, 0, tokens, observer, inputs);
    System.arraycopy(layers.residual().values(), 0, hidden, offset, length);
  }

  /**
   * Applies the output norm to positions of a window, from the output of the last layer.
   *
   * @param firstRow the first position wanted, {@code rows} of them
   * @param hidden [tokens, hidden] from {@code offset}
   * @param inputs hears what the lm_head reads
   */
  public void finish(
      Function<TensorKey, EncodedTensor> tensors,
      int firstRow,
      int rows,
      float[] hidden,
      int offset,
      LinearInputObserver inputs) {
    checkTokens(rows);
    int width = config.hiddenSize();
    System.arraycopy(
        hidden, offset + firstRow * width, layers.residual().values(), 0, rows * width);
    FloatArray norm = FloatArray.ofLength(width);
    tensors.apply(TensorKey.ofModel(TensorRole.OUTPUT_NORM)).decodeRow(0, norm.values(), 0);
    layers.normalize(norm, rows);
    float[] rowWeights = new float[rows];
    Arrays.fill(rowWeights, 1);
    inputs.inputs(headKey(config), rows, layers.normalized().values(), 0, rowWeights, 0);
  }

  /**
   * Computes the logits of positions of a window, from the output of the last layer; see {@link
   * #finish}.
   *
   * @param logits receives [rows, vocabulary]
   */
  public void logits(
      Function<TensorKey, EncodedTensor> tensors,
      int firstRow,
      int rows,
      float[] hidden,
      int offset,
      float[] logits) {
    finish(tensors, firstRow, rows, hidden, offset, LinearInputObserver.NONE);
    EncodedTensor head = tensors.apply(headKey(config));
    layers.product().compute(head, layers.normalized(), 0, rows, FloatArray.wrap(logits), 0);
  }

  /** The matrix that makes the logits: the embedding where the two are tied. */
  public static TensorKey headKey(ModelConfig config) {
    return TensorKey.ofModel(config.tiedEmbeddings() ? TensorRole.EMBEDDING : TensorRole.LM_HEAD);
  }

  private void checkTokens(int tokens) {
    if (tokens < 1 || tokens > maxTokens) {
      throw new IllegalArgumentException(
          "tokens: expected 1 to " + maxTokens + ", found " + tokens);
    }
  }

  /** Ends the threads and gives the memory back. */
  @Override
  public void close() {
    pool.close();
    layers.close();
  }
}
