package bora.runtime.kernel;

import java.util.Objects;

/** The one check of the arguments of the kernels on plain arrays. */
final class ElementBounds {
  private ElementBounds() {}

  static void check(FloatArray values, int offset, int length) {
    Objects.checkFromIndexSize(offset, length, values.length());
  }

  static void checkPair(FloatArray a, int aOffset, FloatArray b, int bOffset, int length) {
    check(a, aOffset, length);
    check(b, bOffset, length);
  }

  static void checkRmsNorm(
      FloatArray x, int xOffset, FloatArray weight, FloatArray y, int yOffset, int length) {
    check(x, xOffset, length);
    check(weight, 0, length);
    check(y, yOffset, length);
  }

  static void checkSwiGlu(
      FloatArray gate,
      int gateOffset,
      FloatArray up,
      int upOffset,
      FloatArray y,
      int yOffset,
      int length) {
    check(gate, gateOffset, length);
    check(up, upOffset, length);
    check(y, yOffset, length);
  }

  static void checkMax(FloatArray x, int offset, int length) {
    check(x, offset, length);
    if (length < 1) {
      throw new IllegalArgumentException("expected at least 1 element, found " + length);
    }
  }

  static void checkRotate(
      FloatArray x,
      int offset,
      int heads,
      FloatArray cos,
      FloatArray sin,
      int tableOffset,
      int half) {
    check(x, offset, Math.multiplyExact(heads, Math.multiplyExact(2, half)));
    check(cos, tableOffset, half);
    check(sin, tableOffset, half);
  }
}
