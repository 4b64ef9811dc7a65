package bora.quantizer;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;

/** Rounds wanted row scales to those that a format allows: zero, or a finite bf16 of some size. */
final class RowScales {
  private RowScales() {}

  /**
   * The scale of a row of a trellis encoding whose targets have a root mean square: the multiple of
   * it that is best for Gaussian targets.
   */
  static float trellis(Encoding encoding, double rootMeanSquare) {
    return nearest((float) (rootMeanSquare * trellisFactor(encoding)));
  }

  /** What a level's unit was when the levels were trained on values of variance 1. */
  private static double trellisFactor(Encoding encoding) {
    return switch (encoding) {
      case T1 -> 0.016999;
      case T2 -> 0.021896;
      case T3 -> 0.024399;
      case T4 -> 0.026569;
      case T5 -> 0.028411;
      default -> throw new IllegalArgumentException(encoding.jsonName() + " has no trellis");
    };
  }

  /** The nearest allowed scale; zero for one below the smallest. */
  static float nearest(float wanted) {
    return clamp(BFloat16.fromFloat(wanted));
  }

  /** The smallest allowed scale that is no less than a wanted one, if any is; zero for zero. */
  static float covering(float wanted) {
    return clamp((short) ((Float.floatToRawIntBits(wanted) + 0xFFFF) >>> 16));
  }

  private static float clamp(short bits) {
    float scale = BFloat16.toFloat(bits);
    return scale < ScalarGrid.MIN_ROW_SCALE ? 0 : scale;
  }
}
