package bora.runtime.kernel;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;

/**
 * The definition of activations of 8 bits: of each {@link #BLOCK_COLUMNS} columns of a token the
 * largest magnitude m becomes 127, and the others are rounded to the nearest multiple of {@code m /
 * 127}. In float32, each operation rounded once:
 *
 * <pre>
 * step  = m / 127
 * code  = x * (127 / m), to the nearest integer, ties to even
 * value = code * step
 * </pre>
 *
 * <p>A block with m below {@link #MIN_MAGNITUDE} is all zeros; one with a value that is no finite
 * number is all NaN. A product is then what it is with these values as activations.
 */
final class ActivationRounding {
  /** Columns that share a step: those of a scalar encoding's block too. */
  static final int BLOCK_COLUMNS = ScalarGrid.COLUMNS_PER_BLOCK;

  static final int MAX_CODE = 127;

  /** Below it, quotients would leave the normal numbers. */
  static final float MIN_MAGNITUDE = 0x1p-100f;

  private ActivationRounding() {}

  /** Whether it is for matrices of this encoding: those whose levels are integers. */
  static boolean appliesTo(Encoding encoding) {
    return encoding.isQuantized();
  }

  /** Rounds the activations of one token in place. */
  static void round(float[] x, int offset, int columns) {
    for (int start = 0; start < columns; start += BLOCK_COLUMNS) {
      int end = offset + Math.min(columns, start + BLOCK_COLUMNS);
      float magnitude = 0;
      for (int i = offset + start; i < end; i++) {
        magnitude = Math.max(magnitude, Math.abs(x[i]));
      }
      float step = step(magnitude, MAX_CODE);
      float inverse = inverse(magnitude, MAX_CODE);
      for (int i = offset + start; i < end; i++) {
        int code = (int) Math.rint(x[i] * inverse);
        x[i] = code * step;
      }
    }
  }

  /** What whole numbers are multiples of, of which {@code largest} is the magnitude's. */
  static float step(float magnitude, float largest) {
    if (magnitude < MIN_MAGNITUDE) {
      return 0;
    }
    return Float.isFinite(magnitude) ? magnitude / largest : Float.NaN;
  }

  /** By what values are multiplied to become such numbers. */
  static float inverse(float magnitude, float largest) {
    return magnitude < MIN_MAGNITUDE ? 0 : largest / magnitude;
  }
}
