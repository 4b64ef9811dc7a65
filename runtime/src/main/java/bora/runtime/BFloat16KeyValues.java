package bora.runtime;

import bora.formats.encoding.BFloat16;
import bora.runtime.kernel.Kernels;

/**
 * Keys and values rounded to bf16, in words of two: component i in the lower half of word i,
 * component i + headDim/2 in the upper.
 */
final class BFloat16KeyValues implements KeyValues {
  private final int half;

  /** [block, headDim / 2, slot of the block]. */
  private final int[] keys;

  /** [slot, headDim / 2]. */
  private final int[] values;

  /**
   * @param capacity slots, whole blocks of keys
   * @param headDim even
   */
  BFloat16KeyValues(int capacity, int headDim) {
    half = headDim / 2;
    keys = new int[Math.multiplyExact(capacity, half)];
    values = new int[keys.length];
  }

  @Override
  public void put(int slot, float[] k, int kOffset, float[] v, int vOffset) {
    int lane = slot % Kernels.KEYS_PER_BLOCK;
    int block = (slot - lane) * half;
    for (int i = 0; i < half; i++) {
      keys[block + i * Kernels.KEYS_PER_BLOCK + lane] = word(k, kOffset + i);
      values[slot * half + i] = word(v, vOffset + i);
    }
  }

  private int word(float[] x, int low) {
    return BFloat16.fromFloat(x[low + half]) << 16 | (BFloat16.fromFloat(x[low]) & 0xFFFF);
  }

  @Override
  public void scores(
      Kernels kernels,
      float[] queries,
      int queriesOffset,
      int rows,
      int firstSlot,
      int blocks,
      float[] scores,
      int scoresOffset,
      int scoresStride) {
    kernels.scores(
        queries,
        queriesOffset,
        rows,
        2 * half,
        keys,
        firstSlot * half,
        blocks,
        scores,
        scoresOffset,
        scoresStride);
  }

  @Override
  public void addWeighted(
      Kernels kernels,
      float[] weights,
      int weightsOffset,
      int weightsStride,
      int rows,
      int firstSlot,
      int count,
      float[] sums,
      int sumsOffset) {
    kernels.addWeighted(
        weights,
        weightsOffset,
        weightsStride,
        rows,
        values,
        firstSlot * half,
        count,
        2 * half,
        sums,
        sumsOffset);
  }
}
