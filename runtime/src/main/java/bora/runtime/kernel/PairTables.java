package bora.runtime.kernel;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;

/**
 * How the float32 activations of a token enter products with {@code q2}: two codes side by side are
 * four bits, so all that a pair of columns can add to a product are sixteen values, which are
 * looked up. The way of T-MAC (Wei et al. 2024, arXiv:2407.00088) with values of three bytes.
 *
 * <p>The codes of a word make eight <em>pairs</em>: pair j has the code at bit {@code 4j} and,
 * above it, the one at bit {@code 4j + 2}. With a and b their columns' activations and codes u and
 * v, in float32, each operation rounded once:
 *
 * <pre>
 * value(a, b, u, v) = fma(v - 1.5, b, (u - 1.5) * a)
 * m                 = the largest value(|a|, |b|, 3, 3) of a block's pairs
 * step              = m / largest
 * number[u + 4v]    = value(a * (largest / m), b * (largest / m), u, v), to the nearest integer
 * product           = step * the sum over a block's pairs of number[their codes], exact, as a float
 * sum               = fma(s, product, sum)      over the blocks, in order; s is a block's step
 * </pre>
 *
 * <p>{@code largest} and the exceptions are those of {@link ActivationDigits#THREE}: numbers have
 * 24 bits.
 *
 * <p>Numbers are looked up digit by digit. A byte of a word has two pairs, so its lower or its
 * upper half is one of sixteen indices; a <em>table</em> has a digit for all four bytes, byte i's
 * from {@code 16i} on. A block's tables stand in the order of its units, of halves, lower ones
 * first, and of digits, lowest first; behind them is the step.
 */
final class PairTables {
  /** The encoding whose codes are looked up in pairs. */
  static final Encoding ENCODING = Encoding.Q2;

  static final ActivationDigits DIGITS = ActivationDigits.THREE;

  static final int UNITS = ScalarCodes.unitCount(ENCODING);

  /** Of a byte. */
  static final int HALVES = 2;

  static final int PAIRS_OF_HALF = Integer.BYTES;
  static final int PAIRS = UNITS * HALVES * PAIRS_OF_HALF;

  /** What two codes can be. */
  static final int VALUES = 16;

  static final int TABLE_BYTES = PAIRS_OF_HALF * VALUES;

  static final int STEP_OFFSET = UNITS * HALVES * DIGITS.count() * TABLE_BYTES;

  /** From one block's tables to the next's: whole lines. */
  static final int BLOCK_BYTES = STEP_OFFSET + 64;

  static final int CODES = 4;

  private static final float MIDDLE = 1.5f;

  private static final int[] COLUMN_BY_BIT = CodeOrder.columnsByBit(ENCODING);

  private PairTables() {}

  /** Where in a block's tables a table is. */
  static int tableOffset(int unit, int half, int digit) {
    return ((unit * HALVES + half) * DIGITS.count() + digit) * TABLE_BYTES;
  }

  /** The column, within the block, of the lower code of a pair. */
  static int lowerColumn(int unit, int half, int byteOfWord) {
    return COLUMN_BY_BIT[firstBit(unit, half, byteOfWord)];
  }

  /** That of the upper code. */
  static int upperColumn(int unit, int half, int byteOfWord) {
    return COLUMN_BY_BIT[firstBit(unit, half, byteOfWord) + 2];
  }

  private static int firstBit(int unit, int half, int byteOfWord) {
    return unit * CodeOrder.WORD_BITS + Byte.SIZE * byteOfWord + 4 * half;
  }

  /** What a code stands for. */
  static float level(int code) {
    return code - MIDDLE;
  }

  /**
   * The definition, in scalar code: the product of a row and a token.
   *
   * @param codes of the row, in whole blocks
   * @param steps of its blocks
   * @param x activations, in whole blocks
   */
  static float multiply(byte[] codes, float[] steps, float[] x) {
    float sum = 0;
    for (int block = 0; block < steps.length; block++) {
      sum = Math.fma(steps[block], product(codes, x, block), sum);
    }
    return sum;
  }

  private static float product(byte[] codes, float[] x, int block) {
    int start = block * ScalarGrid.COLUMNS_PER_BLOCK;
    float largest = 0;
    for (int pair = 0; pair < PAIRS; pair++) {
      float a = Math.abs(x[start + lowerColumn(pair)]);
      float b = Math.abs(x[start + upperColumn(pair)]);
      largest = Math.max(largest, value(CODES - 1, CODES - 1, a, b));
    }
    float inverse = ActivationRounding.inverse(largest, DIGITS.largest());
    int sum = 0;
    for (int pair = 0; pair < PAIRS; pair++) {
      int lower = start + lowerColumn(pair);
      int upper = start + upperColumn(pair);
      float number = value(codes[lower], codes[upper], x[lower] * inverse, x[upper] * inverse);
      sum += (int) Math.rint(number);
    }
    return ActivationRounding.step(largest, DIGITS.largest()) * sum;
  }

  private static int lowerColumn(int pair) {
    return lowerColumn(
        pair / (HALVES * PAIRS_OF_HALF), pair % HALVES, pair / HALVES % PAIRS_OF_HALF);
  }

  private static int upperColumn(int pair) {
    return upperColumn(
        pair / (HALVES * PAIRS_OF_HALF), pair % HALVES, pair / HALVES % PAIRS_OF_HALF);
  }

  private static float value(int lowerCode, int upperCode, float a, float b) {
    return Math.fma(level(upperCode), b, level(lowerCode) * a);
  }
}
