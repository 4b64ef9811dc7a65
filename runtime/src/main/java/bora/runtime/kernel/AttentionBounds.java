package bora.runtime.kernel;

import java.util.Objects;

/** The one check of the arguments of the kernels of attention. */
final class AttentionBounds {
  private AttentionBounds() {}

  static void checkScores(
      int queriesLength,
      int queriesOffset,
      int rows,
      int headDim,
      int scoresLength,
      int scoresOffset,
      int scoresStride,
      int blocks) {
    checkRows(rows);
    int width = Math.multiplyExact(blocks, Kernels.KEYS_PER_BLOCK);
    Objects.checkFromIndexSize(queriesOffset, Math.multiplyExact(rows, headDim), queriesLength);
    checkStrided(scoresLength, scoresOffset, scoresStride, rows, width);
  }

  static void checkKeys(CachedFloats keys, int offset, int blocks, int headDim) {
    checkValues(keys, offset, Math.multiplyExact(blocks, Kernels.KEYS_PER_BLOCK), headDim);
  }

  static void checkWeighted(
      int weightsLength,
      int weightsOffset,
      int weightsStride,
      int rows,
      int count,
      int headDim,
      int sumsLength,
      int sumsOffset) {
    checkRows(rows);
    checkStrided(weightsLength, weightsOffset, weightsStride, rows, count);
    Objects.checkFromIndexSize(sumsOffset, Math.multiplyExact(rows, headDim), sumsLength);
  }

  static void checkValues(CachedFloats values, int offset, int count, int headDim) {
    Objects.checkFromIndexSize(offset, Math.multiplyExact(count, headDim), values.length());
  }

  static void checkStored(
      FloatArray x, int xOffset, int count, CachedFloats to, int index, int stride) {
    Objects.checkFromIndexSize(xOffset, count, x.length());
    checkStride(stride, 1);
    int extent = count == 0 ? 0 : Math.addExact(Math.multiplyExact(count - 1, stride), 1);
    Objects.checkFromIndexSize(index, extent, to.length());
  }

  private static void checkRows(int rows) {
    if (rows < 1) {
      throw new IllegalArgumentException("expected at least 1 row, found " + rows);
    }
  }

  private static void checkStride(int stride, int least) {
    if (stride < least) {
      throw new IllegalArgumentException(
          "expected a stride of at least " + least + ", found " + stride);
    }
  }

  private static void checkStrided(int length, int offset, int stride, int rows, int width) {
    if (rows > 1) {
      checkStride(stride, width);
    }
    int extent = Math.addExact(Math.multiplyExact(rows - 1, stride), width);
    Objects.checkFromIndexSize(offset, extent, length);
  }
}
