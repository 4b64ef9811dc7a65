package bora.runtime;

import bora.runtime.kernel.CachedFloats;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import java.lang.foreign.SegmentAllocator;

/**
 * The keys and values of one head of one layer, by slot. Keys stand in blocks of {@link
 * Kernels#KEYS_PER_BLOCK} slots, values slot by slot.
 */
final class KeyValues {
  private final int headDim;

  /** Of a key, and of a value. */
  private final int words;

  /** [block, word, slot of the block]. */
  private final CachedFloats keys;

  /** [slot, word]. */
  private final CachedFloats values;

  /**
   * @param capacity slots, whole blocks of keys
   * @param headDim even for bf16
   * @param memory gives {@link #byteSize} in two parts, and outlives this object
   */
  KeyValues(KvCacheType type, int capacity, int headDim, SegmentAllocator memory) {
    this.headDim = headDim;
    keys = allocate(type, capacity, headDim, memory);
    values = allocate(type, capacity, headDim, memory);
    words = keys.words(headDim);
  }

  private static CachedFloats allocate(
      KvCacheType type, int capacity, int headDim, SegmentAllocator memory) {
    int length = length(type, capacity, headDim);
    return switch (type) {
      case F32 -> CachedFloats.float32(memory, length);
      case BF16 -> CachedFloats.bfloat16(memory, length);
    };
  }

  private static int length(KvCacheType type, int capacity, int headDim) {
    return Math.multiplyExact(
        capacity,
        switch (type) {
          case F32 -> headDim;
          case BF16 -> headDim / 2;
        });
  }

  /** The memory that keys and values of so many slots take. */
  static long byteSize(KvCacheType type, int capacity, int headDim) {
    return 2 * CachedFloats.byteSize(length(type, capacity, headDim));
  }

  /**
   * Stores a slot.
   *
   * @param k its key, from {@code kOffset}
   * @param v its value, from {@code vOffset}
   */
  void put(int slot, float[] k, int kOffset, float[] v, int vOffset) {
    int lane = slot % Kernels.KEYS_PER_BLOCK;
    keys.put((slot - lane) * words + lane, Kernels.KEYS_PER_BLOCK, k, kOffset, headDim);
    values.put(slot * words, 1, v, vOffset, headDim);
  }

  /**
   * Scores queries against whole blocks of keys; see {@link Kernels#scores}.
   *
   * @param firstSlot the first of a block
   */
  void scores(
      Kernels kernels,
      FloatArray queries,
      int queriesOffset,
      int rows,
      int firstSlot,
      int blocks,
      FloatArray scores,
      int scoresOffset,
      int scoresStride) {
    kernels.scores(
        queries,
        queriesOffset,
        rows,
        headDim,
        keys,
        firstSlot * words,
        blocks,
        scores,
        scoresOffset,
        scoresStride);
  }

  /** Adds weighted values to sums; see {@link Kernels#addWeighted}. */
  void addWeighted(
      Kernels kernels,
      FloatArray weights,
      int weightsOffset,
      int weightsStride,
      int rows,
      int firstSlot,
      int count,
      FloatArray sums,
      int sumsOffset) {
    kernels.addWeighted(
        weights,
        weightsOffset,
        weightsStride,
        rows,
        values,
        firstSlot * words,
        count,
        headDim,
        sums,
        sumsOffset);
  }
}
