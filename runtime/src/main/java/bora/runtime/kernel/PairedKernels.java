package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;
import static bora.runtime.kernel.Lanes.INTS;
import static bora.runtime.kernel.Lanes.LITTLE_ENDIAN;
import static bora.runtime.kernel.Lanes.MEMORY;

import bora.formats.encoding.ScalarGrid;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * {@code q5}, {@code q3}, {@code q2}: K words of a lane hold 32 columns of K bits. The upper 30
 * bits of a word are whole codes, the lower two a pair of bits of the last two columns; so the same
 * steps read all three, a word shifted down by K bits a column.
 *
 * <p>A code is not shifted down to its number: masked at bit 2 and with the exponent of 2^21 put
 * above it, it is the float {@code 2^21 + code}, and one subtraction, exact, makes it {@code code -
 * centre}. As in {@link Q4Kernels}, the loops have no methods of ours in them.
 */
final class PairedKernels {
  private static final int COLUMNS = 32;
  private static final int WORD_BITS = 30;
  private static final int ONE = Float.floatToRawIntBits(0x1p21f);

  private PairedKernels() {}

  /**
   * Multiplies four vectors of rows by one token.
   *
   * @param bits of a code
   * @param p0 address of the first vector's first word in the first block; and so {@code p1} to
   *     {@code p3}
   * @param x the activations, zero past the last column
   * @param steps the steps of block k: vector v at {@code (4 * k + v) * lanes}
   * @param sums receives the four vectors of sums
   */
  static void multiply(
      int bits,
      long p0,
      long p1,
      long p2,
      long p3,
      int blocks,
      float[] x,
      float[] steps,
      float[] sums) {
    int lanes = FLOATS.length();
    int perWord = WORD_BITS / bits;
    IntVector mask = IntVector.broadcast(INTS, ((1 << bits) - 1) << 2);
    IntVector pair = IntVector.broadcast(INTS, 3);
    IntVector one = IntVector.broadcast(INTS, ONE);
    FloatVector zero = FloatVector.broadcast(FLOATS, 0x1p21f + ScalarGrid.centre(bits));
    FloatVector total0 = FloatVector.zero(FLOATS);
    FloatVector total1 = FloatVector.zero(FLOATS);
    FloatVector total2 = FloatVector.zero(FLOATS);
    FloatVector total3 = FloatVector.zero(FLOATS);
    long offset = 0;
    int c = 0;
    for (int block = 0; block < blocks; block++) {
      FloatVector sum0 = FloatVector.zero(FLOATS);
      FloatVector sum1 = FloatVector.zero(FLOATS);
      FloatVector sum2 = FloatVector.zero(FLOATS);
      FloatVector sum3 = FloatVector.zero(FLOATS);
      for (int group = 0; group < ScalarGrid.COLUMNS_PER_BLOCK / COLUMNS; group++) {
        IntVector pairs0 = IntVector.zero(INTS);
        IntVector pairs1 = IntVector.zero(INTS);
        IntVector pairs2 = IntVector.zero(INTS);
        IntVector pairs3 = IntVector.zero(INTS);
        for (int j = 0; j < bits; j++) {
          IntVector word0 = IntVector.fromMemorySegment(INTS, MEMORY, p0 + offset, LITTLE_ENDIAN);
          IntVector word1 = IntVector.fromMemorySegment(INTS, MEMORY, p1 + offset, LITTLE_ENDIAN);
          IntVector word2 = IntVector.fromMemorySegment(INTS, MEMORY, p2 + offset, LITTLE_ENDIAN);
          IntVector word3 = IntVector.fromMemorySegment(INTS, MEMORY, p3 + offset, LITTLE_ENDIAN);
          offset += 64;
          pairs0 = pairs0.lanewise(VectorOperators.LSHL, 2).or(word0.and(pair));
          pairs1 = pairs1.lanewise(VectorOperators.LSHL, 2).or(word1.and(pair));
          pairs2 = pairs2.lanewise(VectorOperators.LSHL, 2).or(word2.and(pair));
          pairs3 = pairs3.lanewise(VectorOperators.LSHL, 2).or(word3.and(pair));
          for (int i = 0; i < perWord; i++) {
            FloatVector xc = FloatVector.broadcast(FLOATS, x[c++]);
            sum0 = word0.and(mask).or(one).reinterpretAsFloats().sub(zero).fma(xc, sum0);
            sum1 = word1.and(mask).or(one).reinterpretAsFloats().sub(zero).fma(xc, sum1);
            sum2 = word2.and(mask).or(one).reinterpretAsFloats().sub(zero).fma(xc, sum2);
            sum3 = word3.and(mask).or(one).reinterpretAsFloats().sub(zero).fma(xc, sum3);
            word0 = word0.lanewise(VectorOperators.LSHR, bits);
            word1 = word1.lanewise(VectorOperators.LSHR, bits);
            word2 = word2.lanewise(VectorOperators.LSHR, bits);
            word3 = word3.lanewise(VectorOperators.LSHR, bits);
          }
        }
        pairs0 = pairs0.lanewise(VectorOperators.LSHL, 2);
        pairs1 = pairs1.lanewise(VectorOperators.LSHL, 2);
        pairs2 = pairs2.lanewise(VectorOperators.LSHL, 2);
        pairs3 = pairs3.lanewise(VectorOperators.LSHL, 2);
        for (int i = 0; i < 2; i++) {
          FloatVector xc = FloatVector.broadcast(FLOATS, x[c++]);
          sum0 = pairs0.and(mask).or(one).reinterpretAsFloats().sub(zero).fma(xc, sum0);
          sum1 = pairs1.and(mask).or(one).reinterpretAsFloats().sub(zero).fma(xc, sum1);
          sum2 = pairs2.and(mask).or(one).reinterpretAsFloats().sub(zero).fma(xc, sum2);
          sum3 = pairs3.and(mask).or(one).reinterpretAsFloats().sub(zero).fma(xc, sum3);
          pairs0 = pairs0.lanewise(VectorOperators.LSHR, bits);
          pairs1 = pairs1.lanewise(VectorOperators.LSHR, bits);
          pairs2 = pairs2.lanewise(VectorOperators.LSHR, bits);
          pairs3 = pairs3.lanewise(VectorOperators.LSHR, bits);
        }
      }
      int s = 4 * lanes * block;
      total0 = FloatVector.fromArray(FLOATS, steps, s).fma(sum0, total0);
      total1 = FloatVector.fromArray(FLOATS, steps, s + lanes).fma(sum1, total1);
      total2 = FloatVector.fromArray(FLOATS, steps, s + 2 * lanes).fma(sum2, total2);
      total3 = FloatVector.fromArray(FLOATS, steps, s + 3 * lanes).fma(sum3, total3);
    }
    total0.intoArray(sums, 0);
    total1.intoArray(sums, lanes);
    total2.intoArray(sums, 2 * lanes);
    total3.intoArray(sums, 3 * lanes);
  }

  /**
   * Decodes the columns of some blocks of one vector of rows, bit by bit as the scalar definition.
   *
   * @param bits of a code
   * @param address of the vector's first word in the first block
   * @param steps the vector's steps of block k at {@code stepOffset + 4 * lanes * k}
   * @param tile receives column c, counted from the first block's, at {@code tileOffset + 16 * c}
   */
  static void decode(
      int bits,
      long address,
      int blocks,
      float[] steps,
      int stepOffset,
      float[] tile,
      int tileOffset) {
    int perWord = WORD_BITS / bits;
    IntVector mask = IntVector.broadcast(INTS, ((1 << bits) - 1) << 2);
    IntVector pair = IntVector.broadcast(INTS, 3);
    IntVector one = IntVector.broadcast(INTS, ONE);
    FloatVector zero = FloatVector.broadcast(FLOATS, 0x1p21f + ScalarGrid.centre(bits));
    long offset = 0;
    int t = tileOffset;
    for (int block = 0; block < blocks; block++) {
      FloatVector step =
          FloatVector.fromArray(FLOATS, steps, stepOffset + 4 * FLOATS.length() * block);
      for (int group = 0; group < ScalarGrid.COLUMNS_PER_BLOCK / COLUMNS; group++) {
        IntVector pairs = IntVector.zero(INTS);
        for (int j = 0; j < bits; j++) {
          IntVector word =
              IntVector.fromMemorySegment(INTS, MEMORY, address + offset, LITTLE_ENDIAN);
          offset += 64;
          pairs = pairs.lanewise(VectorOperators.LSHL, 2).or(word.and(pair));
          for (int i = 0; i < perWord; i++) {
            word.and(mask).or(one).reinterpretAsFloats().sub(zero).mul(step).intoArray(tile, t);
            word = word.lanewise(VectorOperators.LSHR, bits);
            t += 16;
          }
        }
        pairs = pairs.lanewise(VectorOperators.LSHL, 2);
        for (int i = 0; i < 2; i++) {
          pairs.and(mask).or(one).reinterpretAsFloats().sub(zero).mul(step).intoArray(tile, t);
          pairs = pairs.lanewise(VectorOperators.LSHR, bits);
          t += 16;
        }
      }
    }
  }
}
