package bora.runtime.kernel;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;

/**
 * How the exact activations of a token enter products with {@code q2}: two codes side by side are
 * four bits, so all that a pair of columns can add to a product are sixteen floats, which are
 * looked up. The way of T-MAC (Wei et al. 2024, arXiv:2407.00088) with tables of floats.
 *
 * <p>The codes of a word make eight <em>pairs</em>: pair j has the code at bit {@code 4j} and,
 * above it, the one at bit {@code 4j + 2}. With a and b their columns' activations, in float32,
 * each operation rounded once:
 *
 * <pre>
 * table[u + 4v] = fma(v - 1.5, b, (u - 1.5) * a)
 * unit          = sum over the pairs of a unit's word, in order, of table[their codes]
 * product       = sum over the units of a block, in order, of unit
 * sum           = fma(s, product, sum)      over the blocks, in order; s is a block's step
 * </pre>
 *
 * <p>A block's tables stand in the order of its units and pairs.
 */
final class PairTables {
  /** The encoding whose codes are looked up in pairs. */
  static final Encoding ENCODING = Encoding.Q2;

  static final int PAIRS_OF_UNIT = 8;
  static final int UNITS = ScalarCodes.unitCount(ENCODING);
  static final int PAIRS = UNITS * PAIRS_OF_UNIT;

  /** Sixteen floats. */
  static final int TABLE_BYTES = 64;

  static final int BLOCK_BYTES = PAIRS * TABLE_BYTES;

  private static final float MIDDLE = 1.5f;

  private static final int CODES = 4;

  private static final int[] COLUMN_BY_BIT = CodeOrder.columnsByBit(ENCODING);

  private PairTables() {}

  /** The lowest bit of a pair in its word. */
  static int firstBit(int pairOfUnit) {
    return 4 * pairOfUnit;
  }

  /** The column, within the block, of the lower code of a pair of a block. */
  static int lowerColumn(int pair) {
    return column(pair, firstBit(pair % PAIRS_OF_UNIT));
  }

  /** That of the upper code. */
  static int upperColumn(int pair) {
    return column(pair, firstBit(pair % PAIRS_OF_UNIT) + 2);
  }

  private static int column(int pair, int bit) {
    return COLUMN_BY_BIT[pair / PAIRS_OF_UNIT * CodeOrder.WORD_BITS + bit];
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
      int start = block * ScalarGrid.COLUMNS_PER_BLOCK;
      float product = 0;
      for (int unit = 0; unit < UNITS; unit++) {
        float ofUnit = looked(codes, x, start, unit * PAIRS_OF_UNIT);
        for (int pair = 1; pair < PAIRS_OF_UNIT; pair++) {
          ofUnit += looked(codes, x, start, unit * PAIRS_OF_UNIT + pair);
        }
        product = unit == 0 ? ofUnit : product + ofUnit;
      }
      sum = Math.fma(steps[block], product, sum);
    }
    return sum;
  }

  private static float looked(byte[] codes, float[] x, int start, int pair) {
    int lower = start + lowerColumn(pair);
    int upper = start + upperColumn(pair);
    return entry(codes[lower] + CODES * codes[upper], x[lower], x[upper]);
  }

  /** An entry of the table of two activations. */
  private static float entry(int index, float a, float b) {
    return Math.fma(upperLevel(index), b, lowerLevel(index) * a);
  }

  /** What the lower code of an entry's index stands for. */
  static float lowerLevel(int index) {
    return index % CODES - MIDDLE;
  }

  /** That of the upper code. */
  static float upperLevel(int index) {
    int code = index / CODES;
    return code - MIDDLE;
  }
}
