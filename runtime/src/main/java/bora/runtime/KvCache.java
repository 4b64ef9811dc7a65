package bora.runtime;

import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.runtime.kernel.CachedFloats;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.machine.SystemMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/**
 * Keys and values of the tokens seen, a ring of {@link #capacity()} slots: position p is in slot
 * {@code p % capacity}.
 *
 * <p>Without a sliding window the ring is the whole context and never wraps. With one it holds the
 * window and one batch less a token: a batch is stored before its first token attends, and must not
 * overwrite what that token sees. A ring that wraps is a whole number of {@link #RUN_SLOTS}, so
 * that runs of so many positions, from a multiple of it, are neighbours in it.
 *
 * <p>Its memory is one piece, of which the system gives what is written to.
 */
final class KvCache implements AutoCloseable {
  /** Positions that attention takes together; whole blocks of keys. */
  static final int RUN_SLOTS = 256;

  private final int headDim;
  private final int capacity;
  private final int window;
  private final KeyValues[][] heads;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory;

  /**
   * @param layerCount how many layers' keys and values there are to hold
   * @param contextTokens the most positions there will be
   * @param maxBatch the most tokens stored before the first of them attends
   * @throws ContextTooLargeException when a head's keys do not fit {@link CachedFloats}, or the
   *     system has no memory for all keys and values
   */
  KvCache(ModelConfig config, KvCacheType type, int layerCount, int contextTokens, int maxBatch) {
    headDim = config.headDim();
    window = window(config, contextTokens);
    long slots = slots(config, contextTokens, maxBatch);
    if (slots * headDim > CachedFloats.MAX_LENGTH) {
      int most = CachedFloats.MAX_LENGTH / headDim / RUN_SLOTS * RUN_SLOTS;
      throw new ContextTooLargeException(contextTokens, most, headDim);
    }
    capacity = (int) slots;
    long headBytes = KeyValues.byteSize(type, capacity, headDim);
    long byteSize = Math.multiplyExact((long) layerCount * config.kvHeadCount(), headBytes);
    try {
      memory = SystemMemory.allocate(byteSize, arena);
    } catch (OutOfMemoryError e) {
      throw new ContextTooLargeException(contextTokens, byteSize, e);
    }
    heads = new KeyValues[layerCount][config.kvHeadCount()];
    SegmentAllocator parts = SegmentAllocator.slicingAllocator(memory);
    for (KeyValues[] layer : heads) {
      for (int head = 0; head < layer.length; head++) {
        layer[head] = new KeyValues(type, capacity, headDim, parts);
      }
    }
  }

  private static int window(ModelConfig config, int contextTokens) {
    return Math.min(contextTokens, config.slidingWindow().orElse(contextTokens));
  }

  /** How many positions a cache holds; see {@link #KvCache}. */
  static long slots(ModelConfig config, int contextTokens, int maxBatch) {
    long needed = Math.min(contextTokens, (long) window(config, contextTokens) + maxBatch - 1);
    return Encoding.alignUp(needed, needed < contextTokens ? RUN_SLOTS : Kernels.KEYS_PER_BLOCK);
  }

  /** Of all keys and values. */
  long byteSize() {
    return memory.byteSize();
  }

  /** Number of slots, the same for as long as the cache lives. */
  int capacity() {
    return capacity;
  }

  /** How many positions, itself included, a position attends to. */
  int visibleTokens(int position) {
    return Math.min(window, position + 1);
  }

  int slotOf(int position) {
    return position % capacity;
  }

  /** Keys and values of one head. */
  KeyValues head(int layer, int kvHead) {
    return heads[layer][kvHead];
  }

  /**
   * Stores a head's part of a batch of a layer: {@code firstPosition} and those that follow it.
   *
   * @param k [tokens, kvHeadCount, headDim], rotated
   * @param v [tokens, kvHeadCount, headDim]
   */
  void put(
      Kernels kernels,
      int layer,
      int kvHead,
      int firstPosition,
      int tokens,
      FloatArray k,
      FloatArray v) {
    KeyValues[] ofLayer = heads[layer];
    for (int token = 0; token < tokens; token++) {
      int offset = (token * ofLayer.length + kvHead) * headDim;
      ofLayer[kvHead].put(kernels, slotOf(firstPosition + token), k, v, offset);
    }
  }

  /** Writes zeros to all slots: the system gives memory for what is written, not what is read. */
  void fill() {
    memory.fill((byte) 0);
  }

  /** Gives the memory back; nothing may be stored or read from then on. */
  @Override
  public void close() {
    arena.close();
  }
}
