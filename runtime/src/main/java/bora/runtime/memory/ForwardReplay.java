package bora.runtime.memory;

import bora.formats.model.ModelConfig;
import bora.runtime.memory.CachingAllocator.Block;

/**
 * Replays the allocations of generation in transformers 5.17: one forward pass over the prompt,
 * then {@value #DECODE_STEPS} steps of one token, on the caching allocator.
 *
 * <p>Source: {@code modeling_mistral.py}, {@code modeling_mixtral.py}, {@code cache_utils.py} and
 * {@code integrations/moe.py} (grouped_mm experts) of that version, with sdpa attention, no padding
 * and logits of the last position alone; the order of allocations and frees was checked against
 * PyTorch's own recording of the allocator's events. In shapes below, n is the number of tokens of
 * the pass over all sequences and S = n x experts a token.
 */
final class ForwardReplay {
  static final int DECODE_STEPS = 4;

  private static final int FLOAT_BYTES = Float.BYTES;
  private static final int INDEX_BYTES = Long.BYTES;

  private final ModelConfig config;
  private final CachingAllocator allocator;
  private final int batch;
  private final long contextTokens;
  private final long elementBytes;
  private final long hiddenBytes;
  private final long queryBytes;
  private final long keyBytes;
  private final Block[] keys;
  private final Block[] values;

  ForwardReplay(MemoryRequest request, CachingAllocator allocator) {
    this.config = request.config();
    this.allocator = allocator;
    this.batch = request.batch();
    this.contextTokens = request.contextTokens();
    this.elementBytes = request.dtype().bytes();
    this.hiddenBytes = Math.multiplyExact(elementBytes, config.hiddenSize());
    this.queryBytes = headBytes(config.headCount());
    this.keyBytes = headBytes(config.kvHeadCount());
    this.keys = new Block[config.layerCount()];
    this.values = new Block[config.layerCount()];
  }

  /** Bytes of one token's keys (or values) in one layer. */
  private long headBytes(int heads) {
    return Math.multiplyExact(elementBytes, Math.multiplyExact((long) heads, config.headDim()));
  }

  void replay() {
    allocate(TensorKind.POSITION, Math.multiplyExact(batch, contextTokens), INDEX_BYTES);
    Block logits = pass(contextTokens, 0);
    Block previousToken = null;
    for (int step = 0; step < DECODE_STEPS; step++) {
      Block token = allocate(TensorKind.POSITION, batch, INDEX_BYTES);
      release(previousToken);
      previousToken = token;
      Block nextLogits = pass(1, Math.addExact(contextTokens, step));
      release(logits);
      logits = nextLogits;
    }
  }

  /** One forward pass over {@code newTokens} a sequence; returns the logits. */
  private Block pass(long newTokens, long pastTokens) {
    long tokens = Math.multiplyExact(batch, newTokens);
    Block embeddings = allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    Block offsets = allocate(TensorKind.POSITION, newTokens, INDEX_BYTES);
    Block positions = allocate(TensorKind.POSITION, newTokens, INDEX_BYTES);
    release(offsets);
    Block mask = slidingMask(newTokens);
    Block[] rotary = rotary(newTokens);
    Block hidden = embeddings;
    for (int layer = 0; layer < config.layerCount(); layer++) {
      Block output = layer(layer, newTokens, pastTokens, mask != null);
      if (hidden != embeddings) {
        release(hidden);
      }
      hidden = output;
    }
    Block normalized = norm(tokens);
    release(hidden);
    release(positions);
    release(embeddings);
    release(rotary[0]);
    release(rotary[1]);
    release(mask);
    Block logits =
        allocate(TensorKind.LOGITS, batch, Math.multiplyExact(elementBytes, config.vocabSize()));
    release(normalized);
    return logits;
  }

  /**
   * A prompt beyond the window needs an explicit boolean mask [1, 1, tokens, tokens], shared by all
   * layers.
   */
  private Block slidingMask(long newTokens) {
    boolean cut =
        newTokens > 1
            && config.slidingWindow().isPresent()
            && newTokens > config.slidingWindow().getAsInt();
    return cut ? allocate(TensorKind.ATTENTION, newTokens, newTokens) : null;
  }

  /** Cosines and sines, computed in float32 [tokens, headDim], kept in the model's type. */
  private Block[] rotary(long tokens) {
    long floatRow = Math.multiplyExact(FLOAT_BYTES, (long) config.headDim());
    long row = headBytes(1);
    Block floatPositions = allocate(TensorKind.POSITION, tokens, FLOAT_BYTES);
    Block frequencies =
        allocate(TensorKind.POSITION, tokens, FLOAT_BYTES * WeightLoading.ropeFrequencies(config));
    Block angles = allocate(TensorKind.POSITION, tokens, floatRow);
    Block floatCosines = scaled(tokens, floatRow);
    Block floatSines = scaled(tokens, floatRow);
    Block[] result = new Block[2];
    boolean conversion = elementBytes != FLOAT_BYTES;
    result[0] = conversion ? allocate(TensorKind.POSITION, tokens, row) : floatCosines;
    result[1] = conversion ? allocate(TensorKind.POSITION, tokens, row) : floatSines;
    release(floatPositions);
    release(frequencies);
    release(angles);
    if (conversion) {
      release(floatCosines);
      release(floatSines);
    }
    return result;
  }

  private Block scaled(long tokens, long rowBytes) {
    Block unscaled = allocate(TensorKind.POSITION, tokens, rowBytes);
    Block scaled = allocate(TensorKind.POSITION, tokens, rowBytes);
    release(unscaled);
    return scaled;
  }

  /** One decoder layer; the caller keeps its input alive. */
  private Block layer(int layer, long newTokens, long pastTokens, boolean masked) {
    long tokens = Math.multiplyExact(batch, newTokens);
    Block attended = attention(layer, newTokens, pastTokens, masked);
    Block residual = allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    release(attended);
    Block normalized = norm(tokens);
    Block fed = config.expertCount() == 1 ? denseFeedForward(tokens) : experts(tokens);
    release(normalized);
    Block output = allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    release(fed);
    release(residual);
    return output;
  }

  /** RMSNorm: squares and products in float32, result in the model's type. */
  private Block norm(long tokens) {
    long floatRow = Math.multiplyExact(FLOAT_BYTES, (long) config.hiddenSize());
    boolean conversion = elementBytes != FLOAT_BYTES;
    Block floats = conversion ? allocate(TensorKind.HIDDEN_STATE, tokens, floatRow) : null;
    Block squares = allocate(TensorKind.HIDDEN_STATE, tokens, floatRow);
    Block variance = allocate(TensorKind.HIDDEN_STATE, tokens, FLOAT_BYTES);
    release(squares);
    Block shifted = allocate(TensorKind.HIDDEN_STATE, tokens, FLOAT_BYTES);
    Block inverseRoot = allocate(TensorKind.HIDDEN_STATE, tokens, FLOAT_BYTES);
    release(shifted);
    Block product = allocate(TensorKind.HIDDEN_STATE, tokens, floatRow);
    release(inverseRoot);
    release(floats);
    Block narrowed = conversion ? allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes) : null;
    Block result = allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    release(narrowed);
    release(product);
    release(variance);
    return result;
  }

  private Block attention(int layer, long newTokens, long pastTokens, boolean masked) {
    long tokens = Math.multiplyExact(batch, newTokens);
    Block normalized = norm(tokens);
    Block query = allocate(TensorKind.ATTENTION, tokens, queryBytes);
    Block key = allocate(TensorKind.ATTENTION, tokens, keyBytes);
    Block value = allocate(TensorKind.ATTENTION, tokens, keyBytes);
    Block rotatedQuery = rotated(tokens, queryBytes);
    Block rotatedKey = rotated(tokens, keyBytes);
    release(query);
    release(key);
    long cachedTokens = Math.multiplyExact(batch, Math.addExact(keptTokens(pastTokens), newTokens));
    keys[layer] = grown(keys[layer], cachedTokens);
    values[layer] = grown(values[layer], cachedTokens);
    release(rotatedKey);
    release(value);
    Block mixed;
    if (masked) {
      // With an explicit mask sdpa takes no grouped heads: keys and values are repeated, the mask
      // is widened to numbers.
      Block repeatedKeys = allocate(TensorKind.ATTENTION, tokens, queryBytes);
      Block repeatedValues = allocate(TensorKind.ATTENTION, tokens, queryBytes);
      Block bias =
          allocate(TensorKind.ATTENTION, newTokens, Math.multiplyExact(newTokens, elementBytes));
      mixed = allocate(TensorKind.ATTENTION, tokens, queryBytes);
      release(bias);
      release(repeatedKeys);
      release(repeatedValues);
    } else {
      mixed = allocate(TensorKind.ATTENTION, tokens, queryBytes);
    }
    Block projected = allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    release(mixed);
    release(rotatedQuery);
    release(normalized);
    return projected;
  }

  /** x cos + rotateHalf(x) sin, with its temporaries. */
  private Block rotated(long tokens, long rowBytes) {
    Block cosinePart = allocate(TensorKind.ATTENTION, tokens, rowBytes);
    Block negatedHalf = allocate(TensorKind.ATTENTION, tokens, Math.max(1, rowBytes / 2));
    Block swapped = allocate(TensorKind.ATTENTION, tokens, rowBytes);
    release(negatedHalf);
    Block sinePart = allocate(TensorKind.ATTENTION, tokens, rowBytes);
    release(swapped);
    Block sum = allocate(TensorKind.ATTENTION, tokens, rowBytes);
    release(cosinePart);
    release(sinePart);
    return sum;
  }

  /**
   * Past tokens of a sequence that the cache still holds: the last window - 1, if there is a
   * window.
   */
  private long keptTokens(long pastTokens) {
    return config.slidingWindow().isPresent()
        ? Math.min(pastTokens, Math.max(0, config.slidingWindow().getAsInt() - 1))
        : pastTokens;
  }

  /** The cache of a layer grows by concatenation: the new copy exists before the old one goes. */
  private Block grown(Block old, long cachedTokens) {
    Block grown = allocate(TensorKind.KEY_VALUE, cachedTokens, keyBytes);
    release(old);
    return grown;
  }

  private Block denseFeedForward(long tokens) {
    long row = Math.multiplyExact(elementBytes, (long) config.intermediateSize());
    Block gate = allocate(TensorKind.FEED_FORWARD, tokens, row);
    Block activated = allocate(TensorKind.FEED_FORWARD, tokens, row);
    release(gate);
    Block up = allocate(TensorKind.FEED_FORWARD, tokens, row);
    Block product = allocate(TensorKind.FEED_FORWARD, tokens, row);
    release(activated);
    release(up);
    Block result = allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    release(product);
    return result;
  }

  /** Router, then all experts at once over the S routed copies of the tokens, sorted by expert. */
  private Block experts(long tokens) {
    long expertCount = config.expertCount();
    long routed = Math.multiplyExact(tokens, config.expertsPerToken());
    Block routerLogits = allocate(TensorKind.ROUTING, tokens, elementBytes * expertCount);
    Block floatLogits = allocate(TensorKind.ROUTING, tokens, FLOAT_BYTES * expertCount);
    Block probabilities = allocate(TensorKind.ROUTING, tokens, FLOAT_BYTES * expertCount);
    release(floatLogits);
    Block weights = allocate(TensorKind.ROUTING, routed, FLOAT_BYTES);
    Block choices = allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    release(probabilities);
    Block sortedExperts = allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    Block order = allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    Block tokenIndices = allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    Block selected = allocate(TensorKind.FEED_FORWARD, routed, hiddenBytes);
    release(tokenIndices);
    Block sortedWeights = allocate(TensorKind.ROUTING, routed, FLOAT_BYTES);
    Block histogramInput = allocate(TensorKind.ROUTING, routed, Integer.BYTES);
    Block tokensPerExpert = allocate(TensorKind.ROUTING, expertCount, Integer.BYTES);
    Block expertEnds = allocate(TensorKind.ROUTING, expertCount, Integer.BYTES);
    Block sentinels = allocate(TensorKind.ROUTING, routed, 1);
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
      release(finished);
    }
    return result;
  }

  /** Gate and up, activation, down, weighting in float32, back in token order, sum. */
  private Block expertProjections(long tokens, long routed) {
    long row = Math.multiplyExact(elementBytes, (long) config.intermediateSize());
    long floatRow = Math.multiplyExact(FLOAT_BYTES, (long) config.hiddenSize());
    Block unmaskedGateUp = allocate(TensorKind.FEED_FORWARD, routed, 2 * row);
    Block gateUp = allocate(TensorKind.FEED_FORWARD, routed, 2 * row);
    release(unmaskedGateUp);
    Block activated = allocate(TensorKind.FEED_FORWARD, routed, row);
    Block product = allocate(TensorKind.FEED_FORWARD, routed, row);
    release(activated);
    release(gateUp);
    Block unmaskedDown = allocate(TensorKind.FEED_FORWARD, routed, hiddenBytes);
    release(product);
    Block down = allocate(TensorKind.FEED_FORWARD, routed, hiddenBytes);
    release(unmaskedDown);
    Block weighted = allocate(TensorKind.FEED_FORWARD, routed, floatRow);
    Block inverseOrder = allocate(TensorKind.ROUTING, routed, INDEX_BYTES);
    Block reordered = allocate(TensorKind.FEED_FORWARD, routed, floatRow);
    release(weighted);
    Block sum = allocate(TensorKind.FEED_FORWARD, tokens, floatRow);
    Block result = allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    release(down);
    release(inverseOrder);
    release(reordered);
    release(sum);
    return result;
  }

  private Block allocate(TensorKind kind, long rows, long rowBytes) {
    return allocator.allocate(kind, Math.multiplyExact(rows, rowBytes));
  }

  private void release(Block block) {
    if (block != null) {
      allocator.free(block);
    }
  }
}
