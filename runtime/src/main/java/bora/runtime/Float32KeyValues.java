package bora.runtime;

import bora.runtime.kernel.Kernels;

/** Keys and values as they were computed. */
final class Float32KeyValues implements KeyValues {
  private final int headDim;

  /** [block, headDim, slot of the block]. */
  private final float[] keys;

  /** [slot, headDim]. */
  private final float[] values;

  /**
   * @param capacity slots, whole blocks of keys
   */
  Float32KeyValues(int capacity, int headDim) {
    this.headDim = headDim;
    keys = new float[Math.multiplyExact(capacity, headDim)];
    values = new float[keys.length];
  }

  @Override
  public void put(int slot, float[] k, int kOffset, float[] v, int vOffset) {
    int lane = slot % Kernels.KEYS_PER_BLOCK;
    int block = (slot - lane) * headDim;
    for (int i = 0; i < headDim; i++) {
      keys[block + i * Kernels.KEYS_PER_BLOCK + lane] = k[kOffset + i];
    }
    System.arraycopy(v, vOffset, values, slot * headDim, headDim);
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
        headDim,
        keys,
        firstSlot * headDim,
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
        firstSlot * headDim,
        count,
        headDim,
        sums,
        sumsOffset);
  }
}
