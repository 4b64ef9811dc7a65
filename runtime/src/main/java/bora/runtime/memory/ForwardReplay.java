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
  private final ReplayedTensors tensors;
  private final FeedForwardReplay feedForward;
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
    this.tensors = new ReplayedTensors(allocator);
    this.feedForward = new FeedForwardReplay(config, request.dtype(), tensors);
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
    tensors.allocate(TensorKind.POSITION, Math.multiplyExact(batch, contextTokens), INDEX_BYTES);
    Block logits = pass(contextTokens, 0);
    Block previousToken = null;
    for (int step = 0; step < DECODE_STEPS; step++) {
      Block token = tensors.allocate(TensorKind.POSITION, batch, INDEX_BYTES);
      tensors.release(previousToken);
      previousToken = token;
      Block nextLogits = pass(1, Math.addExact(contextTokens, step));
      tensors.release(logits);
      logits = nextLogits;
    }
  }

  /** One forward pass over {@code newTokens} a sequence; returns the logits. */
  private Block pass(long newTokens, long pastTokens) {
    long tokens = Math.multiplyExact(batch, newTokens);
    Block embeddings = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    Block offsets = tensors.allocate(TensorKind.POSITION, newTokens, INDEX_BYTES);
    Block positions = tensors.allocate(TensorKind.POSITION, newTokens, INDEX_BYTES);
    tensors.release(offsets);
    Block mask = slidingMask(newTokens);
    Block[] rotary = rotary(newTokens);
    Block hidden = embeddings;
    for (int layer = 0; layer < config.layerCount(); layer++) {
      Block output = layer(layer, newTokens, pastTokens, mask != null);
      if (hidden != embeddings) {
        tensors.release(hidden);
      }
      hidden = output;
    }
    Block normalized = norm(tokens);
    tensors.release(hidden);
    tensors.release(positions);
    tensors.release(embeddings);
    tensors.release(rotary[0]);
    tensors.release(rotary[1]);
    tensors.release(mask);
    Block logits =
        tensors.allocate(
            TensorKind.LOGITS, batch, Math.multiplyExact(elementBytes, config.vocabSize()));
    tensors.release(normalized);
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
    return cut ? tensors.allocate(TensorKind.ATTENTION, newTokens, newTokens) : null;
  }

  /** Cosines and sines, computed in float32 [tokens, headDim], kept in the model's type. */
  private Block[] rotary(long tokens) {
    long floatRow = Math.multiplyExact(FLOAT_BYTES, (long) config.headDim());
    long row = headBytes(1);
    Block floatPositions = tensors.allocate(TensorKind.POSITION, tokens, FLOAT_BYTES);
    Block frequencies =
        tensors.allocate(
            TensorKind.POSITION, tokens, FLOAT_BYTES * WeightLoading.ropeFrequencies(config));
    Block angles = tensors.allocate(TensorKind.POSITION, tokens, floatRow);
    Block floatCosines = scaled(tokens, floatRow);
    Block floatSines = scaled(tokens, floatRow);
    Block[] result = new Block[2];
    boolean conversion = elementBytes != FLOAT_BYTES;
    result[0] = conversion ? tensors.allocate(TensorKind.POSITION, tokens, row) : floatCosines;
    result[1] = conversion ? tensors.allocate(TensorKind.POSITION, tokens, row) : floatSines;
    tensors.release(floatPositions);
    tensors.release(frequencies);
    tensors.release(angles);
    if (conversion) {
      tensors.release(floatCosines);
      tensors.release(floatSines);
    }
    return result;
  }

  private Block scaled(long tokens, long rowBytes) {
    Block unscaled = tensors.allocate(TensorKind.POSITION, tokens, rowBytes);
    Block scaled = tensors.allocate(TensorKind.POSITION, tokens, rowBytes);
    tensors.release(unscaled);
    return scaled;
  }

  /** One decoder layer; the caller keeps its input alive. */
  private Block layer(int layer, long newTokens, long pastTokens, boolean masked) {
    long tokens = Math.multiplyExact(batch, newTokens);
    Block attended = attention(layer, newTokens, pastTokens, masked);
    Block residual = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    tensors.release(attended);
    Block normalized = norm(tokens);
    Block fed = feedForward.replay(tokens);
    tensors.release(normalized);
    Block output = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    tensors.release(fed);
    tensors.release(residual);
    return output;
  }

  /** RMSNorm: squares and products in float32, result in the model's type. */
  private Block norm(long tokens) {
    long floatRow = Math.multiplyExact(FLOAT_BYTES, (long) config.hiddenSize());
    boolean conversion = elementBytes != FLOAT_BYTES;
    Block floats = conversion ? tensors.allocate(TensorKind.HIDDEN_STATE, tokens, floatRow) : null;
    Block squares = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, floatRow);
    Block variance = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, FLOAT_BYTES);
    tensors.release(squares);
    Block shifted = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, FLOAT_BYTES);
    Block inverseRoot = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, FLOAT_BYTES);
    tensors.release(shifted);
    Block product = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, floatRow);
    tensors.release(inverseRoot);
    tensors.release(floats);
    Block narrowed =
        conversion ? tensors.allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes) : null;
    Block result = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    tensors.release(narrowed);
    tensors.release(product);
    tensors.release(variance);
    return result;
  }

  private Block attention(int layer, long newTokens, long pastTokens, boolean masked) {
    long tokens = Math.multiplyExact(batch, newTokens);
    Block normalized = norm(tokens);
    Block query = tensors.allocate(TensorKind.ATTENTION, tokens, queryBytes);
    Block key = tensors.allocate(TensorKind.ATTENTION, tokens, keyBytes);
    Block value = tensors.allocate(TensorKind.ATTENTION, tokens, keyBytes);
    Block rotatedQuery = rotated(tokens, queryBytes);
    Block rotatedKey = rotated(tokens, keyBytes);
    tensors.release(query);
    tensors.release(key);
    long cachedTokens = Math.multiplyExact(batch, Math.addExact(keptTokens(pastTokens), newTokens));
    keys[layer] = grown(keys[layer], cachedTokens);
    values[layer] = grown(values[layer], cachedTokens);
    tensors.release(rotatedKey);
    tensors.release(value);
    Block mixed;
    if (masked) {
      // With an explicit mask sdpa takes no grouped heads: keys and values are repeated, the mask
      // is widened to numbers.
      Block repeatedKeys = tensors.allocate(TensorKind.ATTENTION, tokens, queryBytes);
      Block repeatedValues = tensors.allocate(TensorKind.ATTENTION, tokens, queryBytes);
      Block bias =
          tensors.allocate(
              TensorKind.ATTENTION, newTokens, Math.multiplyExact(newTokens, elementBytes));
      mixed = tensors.allocate(TensorKind.ATTENTION, tokens, queryBytes);
      tensors.release(bias);
      tensors.release(repeatedKeys);
      tensors.release(repeatedValues);
    } else {
      mixed = tensors.allocate(TensorKind.ATTENTION, tokens, queryBytes);
    }
    Block projected = tensors.allocate(TensorKind.HIDDEN_STATE, tokens, hiddenBytes);
    tensors.release(mixed);
    tensors.release(rotatedQuery);
    tensors.release(normalized);
    return projected;
  }

  /** x cos + rotateHalf(x) sin, with its temporaries. */
  private Block rotated(long tokens, long rowBytes) {
    Block cosinePart = tensors.allocate(TensorKind.ATTENTION, tokens, rowBytes);
    Block negatedHalf = tensors.allocate(TensorKind.ATTENTION, tokens, Math.max(1, rowBytes / 2));
    Block swapped = tensors.allocate(TensorKind.ATTENTION, tokens, rowBytes);
    tensors.release(negatedHalf);
    Block sinePart = tensors.allocate(TensorKind.ATTENTION, tokens, rowBytes);
    tensors.release(swapped);
    Block sum = tensors.allocate(TensorKind.ATTENTION, tokens, rowBytes);
    tensors.release(cosinePart);
    tensors.release(sinePart);
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
    Block grown = tensors.allocate(TensorKind.KEY_VALUE, cachedTokens, keyBytes);
    tensors.release(old);
    return grown;
  }
}
