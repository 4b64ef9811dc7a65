package bora.runtime.memory;

import bora.formats.model.ModelConfig;
import bora.runtime.memory.CachingAllocator.Block;

/** Replays the allocations of a layer's feed-forward; {@link ForwardReplay} names the source. */
final class FeedForwardReplay {
  private static final int FLOAT_BYTES = Float.BYTES;
  private static final int INDEX_BYTES = Long.BYTES;

  private final ModelConfig config;
  private final ReplayedTensors tensors;
  private final long elementBytes;
  private final long hiddenBytes;

  FeedForwardReplay(ModelConfig config, ActivationType dtype, ReplayedTensors tensors) {
    this.config = config;
    this.tensors = tensors;
    this.elementBytes = dtype.bytes();
    this.hiddenBytes = Math.multiplyExact(elementBytes, config.hiddenSize());
  }

  /** Of some tokens; returns what is added to the residual stream. */
  Block replay(long tokens) {
    return config.expertCount() == 1 ? dense(tokens) : experts(tokens);
  }

  private Block dense(long tokens) {
    long row = Math.multiplyExact(elementBytes, (long) config.intermediateSize());
    Block gate = tensors.allocate(TensorKind.FEED_FORWARD, tokens, row);
    Block activated = tensors.allocate(TensorKind.FEED_FORWARD, tokens, row);
    tensors.release(gate);
    Block up = tensors.allocate(TensorKind.FEED_FORWARD, tokens, row);
    Block product = tensors.allocate(TensorKind.FEED_FORWARD, tokens, row);
    tensors.release(activated);
    tensors.release(up);
    Block result = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    tensors.release(product);
    return result;
  }

  /** Router, then all experts at once over the S routed copies of the tokens, sorted by expert. */
  private Block experts(long tokens) {
    long expertCount = config.expertCount();
    long routed = Math.multiplyExact(tokens, config.expertsPerToken());
    Block routerLogits = tensors.allocate(TensorKind.ROUTING, tokens, elementBytes * expertCount);
    Block floatLogits = tensors.allocate(TensorKind.ROUTING, tokens, FLOAT_BYTES * expertCount);
    Block probabilities = tensors.allocate(TensorKind.ROUTING, tokens, FLOAT_BYTES * expertCount);
    tensors.release(floatLogits);
    Block weights = tensors.allocate(TensorKind.ROUTING, routed, FLOAT_BYTES);
    Block choices = tensors.allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    tensors.release(probabilities);
    Block sortedExperts = tensors.allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    Block order = tensors.allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    Block tokenIndices = tensors.allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    Block selected = tensors.allocate(TensorKind.FEED_FORWARD, routed, hiddenBytes);
    tensors.release(tokenIndices);
    Block sortedWeights = tensors.allocate(TensorKind.ROUTING, routed, FLOAT_BYTES);
    Block histogramInput = tensors.allocate(TensorKind.ROUTING, routed, Integer.BYTES);
    Block tokensPerExpert = tensors.allocate(TensorKind.ROUTING, expertCount, Integer.BYTES);
    Block expertEnds = tensors.allocate(TensorKind.ROUTING, expertCount, Integer.BYTES);
    Block sentinels = tensors.allocate(TensorKind.ROUTING, routed, 1);
    Block result = expertProjections(tokens, routed);
    for (Block finished :
        new Block[] {
          sortedExperts,
          order,
          selected,
          sortedWeights,
          histogramInput,
          tokensPerExpert,
          expertEnds,
          sentinels,
          routerLogits,
          weights,
          choices
        }) {
      tensors.release(finished);
    }
    return result;
  }

  /** Gate and up, activation, down, weighting in float32, back in token order, sum. */
  private Block expertProjections(long tokens, long routed) {
    long row = Math.multiplyExact(elementBytes, (long) config.intermediateSize());
    long floatRow = Math.multiplyExact(FLOAT_BYTES, (long) config.hiddenSize());
    Block unmaskedGateUp = tensors.allocate(TensorKind.FEED_FORWARD, routed, 2 * row);
    Block gateUp = tensors.allocate(TensorKind.FEED_FORWARD, routed, 2 * row);
    tensors.release(unmaskedGateUp);
    Block activated = tensors.allocate(TensorKind.FEED_FORWARD, routed, row);
    Block product = tensors.allocate(TensorKind.FEED_FORWARD, routed, row);
    tensors.release(activated);
    tensors.release(gateUp);
    Block unmaskedDown = tensors.allocate(TensorKind.FEED_FORWARD, routed, hiddenBytes);
    tensors.release(product);
    Block down = tensors.allocate(TensorKind.FEED_FORWARD, routed, hiddenBytes);
    tensors.release(unmaskedDown);
    Block weighted = tensors.allocate(TensorKind.FEED_FORWARD, routed, floatRow);
    Block inverseOrder = tensors.allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    Block reordered = tensors.allocate(TensorKind.FEED_FORWARD, routed, floatRow);
    tensors.release(weighted);
    Block sum = tensors.allocate(TensorKind.FEED_FORWARD, tokens, floatRow);
    Block result = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    tensors.release(down);
    tensors.release(inverseOrder);
    tensors.release(reordered);
    tensors.release(sum);
    return result;
  }
}
