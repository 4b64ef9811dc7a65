package bora.quantizer;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.ScalarGrid;

/** Rounds wanted row scales to those that a format allows: zero, or a finite bf16 of some size. */
public final class RowScales {
  private RowScales() {}

  /** The nearest allowed scale; zero for one below the smallest. */
  public static float nearest(float wanted) {
    return clamp(BFloat16.fromFloat(wanted));
  }

  /** The smallest allowed scale that is no less than a wanted one, if any is; zero for zero. */
  public static float covering(float wanted) {
    return clamp((short) ((Float.floatToRawIntBits(wanted) + 0xFFFF) >>> 16));
  }

  private static float clamp(short bits) {
    float scale = BFloat16.toFloat(bits);
    return scale < ScalarGrid.MIN_ROW_SCALE ? 0 : scale;
  }
}
