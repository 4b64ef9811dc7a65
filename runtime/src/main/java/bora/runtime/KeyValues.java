package bora.runtime;

import bora.runtime.kernel.Kernels;

/**
 * The keys and values of one head of one layer, by slot. Keys stand in blocks of {@link
 * Kernels#KEYS_PER_BLOCK} slots, values slot by slot.
 */
sealed interface KeyValues permits Float32KeyValues, BFloat16KeyValues {
  /**
   * Stores a slot.
   *
   * @param k its key, from {@code kOffset}
   * @param v its value, from {@code vOffset}
   */
  void put(int slot, float[] k, int kOffset, float[] v, int vOffset);

  /**
   * Scores queries against whole blocks of keys; see {@link Kernels#scores}.
   *
   * @param firstSlot the first of a block
   */
  void scores(
      Kernels kernels,
      float[] queries,
      int queriesOffset,
      int rows,
      int firstSlot,
      int blocks,
      float[] scores,
      int scoresOffset,
      int scoresStride);

  /** Adds weighted values to sums; see {@link Kernels#addWeighted}. */
  void addWeighted(
      Kernels kernels,
      float[] weights,
      int weightsOffset,
      int weightsStride,
      int rows,
      int firstSlot,
      int count,
      float[] sums,
      int sumsOffset);
}
