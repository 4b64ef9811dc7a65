package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import java.util.Objects;

/** The one check of the arguments of a multiplication; what passes it touches no other memory. */
final class MultiplyBounds {
  private MultiplyBounds() {}

  /**
   * @throws IndexOutOfBoundsException when panels or array ranges do not exist
   * @throws IllegalArgumentException when the matrix is no matrix or not in native memory
   */
  static void check(
      EncodedTensor matrix,
      TokenActivations x,
      FloatArray y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd) {
    if (matrix.shape().isVector()) {
      throw new IllegalArgumentException("expected a matrix, found a vector " + matrix.shape());
    }
    if (!matrix.bytes().isNative()) {
      throw new IllegalArgumentException("expected a matrix in native memory, found heap memory");
    }
    if (!matrix.bytes().scope().isAlive()) {
      throw new IllegalStateException("the matrix's memory is closed");
    }
    int rows = matrix.shape().rows();
    int columns = matrix.shape().columns();
    Objects.checkFromToIndex(panelStart, panelEnd, matrix.encoding().panelCount(rows));
    int tokens = x.tokens();
    checkTokens("x", x.values().length, x.offset(0), x.stride(), tokens, columns);
    checkTokens("y", y.length(), yOffset, yStride, tokens, rows);
  }

  private static void checkTokens(
      String name, int arrayLength, int offset, int stride, int tokens, int width) {
    if (tokens > 1 && stride < width) {
      throw new IllegalArgumentException(
          name + ": expected a stride of at least " + width + ", found " + stride);
    }
    long spanned = tokens == 1 ? width : (long) (tokens - 1) * stride + width;
    Objects.checkFromIndexSize((long) offset, spanned, (long) arrayLength);
  }
}
