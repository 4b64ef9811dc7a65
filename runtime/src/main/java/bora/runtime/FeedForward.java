package bora.runtime;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;
import java.util.Arrays;

/**
 * The feed-forward of a layer: each token goes to its experts, whose outputs are added with the
 * router's weights, the best expert first. So a token's result does not depend on what else is in
 * its batch. A dense feed-forward is one expert of weight 1.
 *
 * <p>A batch is sorted by expert, so that an expert's weights are read once a batch; a single token
 * takes a way of its own without the sorting.
 */
final class FeedForward {
  private final Kernels kernels;
  private final int hiddenSize;
  private final int expertCount;
  private final int expertsPerToken;
  private final ExpertRouter router;
  private final MatrixProduct product;
  private final GatedProduct gatedProduct;
  private RoutingSource routing = RoutingSource.ROUTER;

  private final FloatArray routerLogits;
  private final int[] experts;
  private final float[] weights;

  /** Where an expert's rows begin in the sorted batch, and one more entry for their end. */
  private final int[] expertStart;

  /** The row of the sorted batch that stands for a token and rank. */
  private final int[] sortedRow;

  /** The routing weights of the sorted batch's rows. */
  private final float[] sortedWeights;

  private final FloatArray sortedInput;
  private final FloatArray sortedOutput;
  private final FloatArray gated;

  /**
   * @param maxTokens the most tokens of one batch
   */
  FeedForward(
      Kernels kernels, WorkerPool pool, ModelConfig config, MatrixProduct product, int maxTokens) {
    this.kernels = kernels;
    hiddenSize = config.hiddenSize();
    expertCount = config.expertCount();
    expertsPerToken = config.expertsPerToken();
    router = new ExpertRouter(expertCount, expertsPerToken);
    this.product = product;
    gatedProduct = new GatedProduct(kernels, pool, config.intermediateSize(), maxTokens);
    int choices = Math.multiplyExact(maxTokens, expertsPerToken);
    routerLogits = FloatArray.ofLength(Math.multiplyExact(maxTokens, expertCount));
    experts = new int[choices];
    weights = new float[choices];
    expertStart = new int[expertCount + 1];
    sortedRow = new int[choices];
    sortedWeights = new float[choices];
    sortedInput = FloatArray.ofLength(Math.multiplyExact(choices, hiddenSize));
    sortedOutput = FloatArray.ofLength(sortedInput.length());
    gated = FloatArray.ofLength(Math.multiplyExact(maxTokens, config.intermediateSize()));
  }

  void imposeRouting(RoutingSource source) {
    routing = source;
  }

  /**
   * Adds the feed-forward of a batch to the residual stream.
   *
   * @param x normalized, [tokens, hiddenSize]
   * @param residual [tokens, hiddenSize]
   * @param inputs hears what each expert reads
   */
  void addBatch(
      LayerWeights weights,
      int layer,
      int firstPosition,
      int tokens,
      FloatArray x,
      FloatArray residual,
      ForwardObserver observer,
      LinearInputObserver inputs) {
    route(weights, layer, firstPosition, tokens, x, observer);
    sortByExpert(tokens, x, firstPosition == 0 ? inputs.firstTokenFactor() : 1);
    for (int expert = 0; expert < expertCount; expert++) {
      int rows = expertStart[expert + 1] - expertStart[expert];
      if (rows > 0) {
        int start = expertStart[expert];
        inputs.inputs(
            TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE),
            rows,
            sortedInput.values(),
            start * hiddenSize,
            sortedWeights,
            start);
        runExpert(weights.experts().get(expert), sortedInput, start, rows);
        inputs.inputs(
            TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN),
            rows,
            gated.values(),
            0,
            sortedWeights,
            start);
      }
    }
    for (int token = 0; token < tokens; token++) {
      for (int rank = 0; rank < expertsPerToken; rank++) {
        int choice = token * expertsPerToken + rank;
        addExpert(choice, sortedRow[choice], residual, token * hiddenSize);
      }
    }
  }

  /** Adds the feed-forward of a single token to the residual stream; see {@link #addBatch}. */
  void addToken(
      LayerWeights weights,
      int layer,
      int position,
      FloatArray x,
      FloatArray residual,
      ForwardObserver observer) {
    route(weights, layer, position, 1, x, observer);
    for (int rank = 0; rank < expertsPerToken; rank++) {
      runExpert(weights.experts().get(experts[rank]), x, 0, 1);
      addExpert(rank, 0, residual, 0);
    }
  }

  private void route(
      LayerWeights layerWeights,
      int layer,
      int firstPosition,
      int tokens,
      FloatArray x,
      ForwardObserver observer) {
    if (layerWeights.router().isEmpty()) {
      Arrays.fill(experts, 0, tokens, 0);
      Arrays.fill(weights, 0, tokens, 1);
      return;
    }
    product.compute(layerWeights.router().get(), x, 0, tokens, routerLogits, 0);
    for (int token = 0; token < tokens; token++) {
      int position = firstPosition + token;
      int logitsOffset = token * expertCount;
      int offset = token * expertsPerToken;
      observer.routerLogits(layer, position, routerLogits.values(), logitsOffset);
      int[] imposed = routing.expertsOf(layer, position);
      if (imposed.length == 0) {
        router.choose(routerLogits.values(), logitsOffset, experts, offset);
      } else {
        router.impose(imposed, experts, offset);
      }
      router.weigh(routerLogits.values(), logitsOffset, experts, weights, offset);
    }
  }

  /** A counting sort of the batch's rows, each as often as it has experts. */
  private void sortByExpert(int tokens, FloatArray x, float firstFactor) {
    Arrays.fill(expertStart, 0);
    int choices = tokens * expertsPerToken;
    for (int choice = 0; choice < choices; choice++) {
      expertStart[experts[choice] + 1]++;
    }
    for (int expert = 0; expert < expertCount; expert++) {
      expertStart[expert + 1] += expertStart[expert];
    }
    // Counts each start up to its expert's end, which is the next one's start, and back by a shift.
    for (int choice = 0; choice < choices; choice++) {
      int row = expertStart[experts[choice]]++;
      sortedRow[choice] = row;
      int token = choice / expertsPerToken;
      sortedWeights[row] = token == 0 ? firstFactor * weights[choice] : weights[choice];
      System.arraycopy(
          x.values(), token * hiddenSize, sortedInput.values(), row * hiddenSize, hiddenSize);
    }
    System.arraycopy(expertStart, 0, expertStart, 1, expertCount);
    expertStart[0] = 0;
  }

  /** Leaves the expert's outputs in the same rows of {@code sortedOutput}. */
  private void runExpert(ExpertWeights expert, FloatArray x, int firstRow, int rows) {
    int offset = firstRow * hiddenSize;
    gatedProduct.compute(expert.gate(), expert.up(), x, offset, rows, gated);
    product.compute(expert.down(), gated, 0, rows, sortedOutput, offset);
  }

  private void addExpert(int choice, int row, FloatArray residual, int offset) {
    kernels.addScaled(
        weights[choice], sortedOutput, row * hiddenSize, residual, offset, hiddenSize);
  }
}
