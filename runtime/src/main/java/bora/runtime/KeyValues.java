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

  /** [block, component, slot of the block]. */
  private final CachedFloats keys;

  /** [slot, component]. */
  private final CachedFloats values;

  /**
   * @param capacity slots, whole blocks of keys
   * @param memory gives {@link #byteSize} in two parts, and outlives this object
   */
  KeyValues(KvCacheType type, int capacity, int headDim, SegmentAllocator memory) {
    this.headDim = headDim;
    int length = Math.multiplyExact(capacity, headDim);
    keys = new CachedFloats(type.format(), memory, length);
    values = new CachedFloats(type.format(), memory, length);
  }

  /** The memory that keys and values of so many slots take. */
  static long byteSize(KvCacheType type, int capacity, int headDim) {
    return 2 * CachedFloats.byteSize(type.format(), Math.multiplyExact(capacity, headDim));
  }

  /**
   * Stores a slot.
   *
   * @param k its key, from {@code offset}
   * @param v its value, likewise
   */
  void put(Kernels kernels, int slot, FloatArray k, FloatArray v, int offset) {
    int lane = slot % Kernels.KEYS_PER_BLOCK;
    kernels.store(k, offset, headDim, keys, (slot - lane) * headDim + lane, Kernels.KEYS_PER_BLOCK);
    kernels.store(v, offset, headDim, values, slot * headDim, 1);
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
        firstSlot * headDim,
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
        firstSlot * headDim,
        count,
        headDim,
        sums,
        sumsOffset);
  }
}
