package bora.runtime.kernel;

import bora.formats.encoding.Encoding;

/**
 * The definition that {@link ActivationDigits} writes down, in scalar code: what machine code must
 * equal bit for bit.
 */
final class DigitProducts {
  private static final int BLOCK_COLUMNS = ActivationDigits.BLOCK_COLUMNS;

  private DigitProducts() {}

  /**
   * A block of activations. With one digit all of the number is the lower half.
   *
   * @param lower of each column the number that its lower two digits make, {@code upper} the third
   */
  record Block(ActivationDigits digits, int[] lower, int[] upper, float step, float half) {}

  /** Takes a token's activations, in whole blocks; behind the last column they are zero. */
  static Block[] blocks(ActivationDigits digits, float[] x, int offset, int columns) {
    Block[] blocks = new Block[Math.ceilDiv(columns, BLOCK_COLUMNS)];
    for (int k = 0; k < blocks.length; k++) {
      int start = k * BLOCK_COLUMNS;
      float[] values = new float[BLOCK_COLUMNS];
      System.arraycopy(x, offset + start, values, 0, Math.min(BLOCK_COLUMNS, columns - start));
      blocks[k] = block(digits, values);
    }
    return blocks;
  }

  private static Block block(ActivationDigits digits, float[] values) {
    float magnitude = 0;
    for (float value : values) {
      magnitude = Math.max(magnitude, Math.abs(value));
    }
    float step = ActivationRounding.step(magnitude, digits.largest());
    float inverse = ActivationRounding.inverse(magnitude, digits.largest());
    int[] lower = new int[BLOCK_COLUMNS];
    int[] upper = new int[BLOCK_COLUMNS];
    int lowerSum = 0;
    int upperSum = 0;
    for (int i = 0; i < BLOCK_COLUMNS; i++) {
      int number = (int) Math.rint(values[i] * inverse);
      int lowest = (byte) number;
      int rest = (number - lowest) >> Byte.SIZE;
      lower[i] = lowest + ((byte) rest << Byte.SIZE);
      upper[i] = (rest - (byte) rest) >> Byte.SIZE;
      lowerSum += lower[i];
      upperSum += upper[i];
    }
    float sum =
        digits == ActivationDigits.ONE ? lowerSum : Math.fma(upperSum, 0x1p16f, (float) lowerSum);
    return new Block(digits, lower, upper, step, 0.5f * step * sum);
  }

  /**
   * The product of a row of codes and a token.
   *
   * @param codes unsigned, in whole blocks
   * @param steps of the row's blocks
   * @param run how many blocks are summed before they are added to the others
   */
  static float multiply(Encoding encoding, byte[] codes, float[] steps, Block[] blocks, int run) {
    float total = sumOfRun(encoding, codes, steps, blocks, 0, Math.min(run, blocks.length));
    for (int start = run; start < blocks.length; start += run) {
      total +=
          sumOfRun(encoding, codes, steps, blocks, start, Math.min(start + run, blocks.length));
    }
    return total;
  }

  private static float sumOfRun(
      Encoding encoding, byte[] codes, float[] steps, Block[] blocks, int start, int end) {
    int middle = ActivationDigits.middle(encoding);
    float sum = 0;
    for (int k = start; k < end; k++) {
      Block block = blocks[k];
      int lower = 0;
      int upper = 0;
      for (int i = 0; i < BLOCK_COLUMNS; i++) {
        int code = (codes[k * BLOCK_COLUMNS + i] & 0xFF) - middle;
        lower += code * block.lower[i];
        upper += code * block.upper[i];
      }
      float product =
          block.digits == ActivationDigits.ONE
              ? block.half
              : Math.fma(upper, 0x1p16f * block.step, block.half);
      product = Math.fma(lower, block.step, product);
      sum = Math.fma(steps[k], product, sum);
    }
    return sum;
  }
}
