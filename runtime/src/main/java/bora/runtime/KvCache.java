package bora.runtime;

import bora.formats.model.ModelConfig;

/**
 * Keys and values of the tokens seen, in float32, a ring of {@link #capacity()} slots: position p
 * is in slot {@code p % capacity}.
 *
 * <p>Without a sliding window the ring is the whole context and never wraps. With one it holds the
 * window and one batch less a token: a batch is stored before its first token attends, and must not
 * overwrite what that token sees.
 */
final class KvCache {
  private final int headDim;
  private final int capacity;
  private final int window;
  private final float[][][] keys;
  private final float[][][] values;

  /**
   * @param layerCount how many layers' keys and values there are to hold
   * @param contextTokens the most positions there will be
   * @param maxBatch the most tokens stored before the first of them attends
   * @throws IllegalArgumentException when a head's keys do not fit an array
   */
  KvCache(ModelConfig config, int layerCount, int contextTokens, int maxBatch) {
    headDim = config.headDim();
    window = Math.min(contextTokens, config.slidingWindow().orElse(contextTokens));
    capacity = (int) Math.min(contextTokens, (long) window + maxBatch - 1);
    if ((long) capacity * headDim > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "context: expected at most "
              + Integer.MAX_VALUE / headDim
              + " tokens for heads of "
              + headDim
              + ", found "
              + contextTokens);
    }
    keys = new float[layerCount][config.kvHeadCount()][capacity * headDim];
    values = new float[layerCount][config.kvHeadCount()][capacity * headDim];
  }

  /** Number of slots, the same for as long as the cache lives. */
  int capacity() {
    return capacity;
  }

  /** The most positions that any position attends to. */
  int window() {
    return window;
  }

  /** How many positions, itself included, a position attends to. */
  int visibleTokens(int position) {
    return Math.min(window, position + 1);
  }

  int slotOf(int position) {
    return position % capacity;
  }

  /** The keys of one head, [slot, headDim]. */
  float[] keys(int layer, int kvHead) {
    return keys[layer][kvHead];
  }

  /** The values of one head, [slot, headDim]. */
  float[] values(int layer, int kvHead) {
    return values[layer][kvHead];
  }

  /**
   * Stores a batch of a layer: {@code firstPosition} and those that follow it.
   *
   * @param k [tokens, kvHeadCount, headDim], rotated
   * @param v [tokens, kvHeadCount, headDim]
   */
  void put(int layer, int firstPosition, int tokens, float[] k, float[] v) {
    int headCount = keys[layer].length;
    for (int token = 0; token < tokens; token++) {
      int slotOffset = slotOf(firstPosition + token) * headDim;
      for (int head = 0; head < headCount; head++) {
        int offset = (token * headCount + head) * headDim;
        System.arraycopy(k, offset, keys[layer][head], slotOffset, headDim);
        System.arraycopy(v, offset, values[layer][head], slotOffset, headDim);
      }
    }
  }
}
