package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;
import static bora.runtime.kernel.Lanes.INTS;
import static bora.runtime.kernel.Lanes.LITTLE_ENDIAN;
import static bora.runtime.kernel.Lanes.MEMORY;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * {@code q6}: three words of a lane hold sixteen columns, five in the lower 30 bits of each and the
 * last in what is left; a block of 64 columns is 12 units.
 *
 * <p>A field is not shifted down to its number: masked in place at bit p and with the exponent of
 * {@code 2^(23-p)} put above it, it is the float {@code 2^(23-p) + code}, and one subtraction,
 * exact, makes it {@code code - centre}. Few shifts and no conversion are needed.
 *
 * <p>The loops have no methods of ours in them and at most sixteen fields in their bodies, on
 * purpose. A compiler that runs out of its budget for inlining makes vectors into objects, and the
 * kernel is twenty times slower; whether it does then varies from run to run. {@code
 * AllocationKernelTest} watches that.
 */
final class Q6Kernels {
  private static final float CENTRE = ScalarGrid.centre(Encoding.Q6.codeBits());

  private static final int MASK_6 = 0xfc0;
  private static final int ONE_6 = Float.floatToRawIntBits(0x1p17f);
  private static final float ZERO_6 = 0x1p17f + CENTRE;

  private static final int MASK_12 = 0x3f000;
  private static final int ONE_12 = Float.floatToRawIntBits(0x1p11f);
  private static final float ZERO_12 = 0x1p11f + CENTRE;

  /** The two bits of a word that belong to the last column of its group. */
  private static final int TOP = 0xC0000000;

  // In arrays for the reason that Q4Kernels gives.
  private static final int[] INT_CONSTANTS = {MASK_6, ONE_6, MASK_12, ONE_12, TOP};
  private static final float[] FLOAT_CONSTANTS = {ZERO_6, ZERO_12};

  private Q6Kernels() {}

  /**
   * Multiplies four vectors of rows by one token.
   *
   * @param p0 address of the first vector's first word in the first block; and so {@code p1} to
   *     {@code p3}
   * @param x the activations, zero past the last column
   * @param steps the steps of block k: vector v at {@code (4 * k + v) * lanes}
   * @param sums receives the four vectors of sums
   */
  static void multiply(
      long p0, long p1, long p2, long p3, int blocks, float[] x, float[] steps, float[] sums) {
    int lanes = FLOATS.length();
    IntVector mask6 = IntVector.broadcast(INTS, INT_CONSTANTS[0]);
    IntVector one6 = IntVector.broadcast(INTS, INT_CONSTANTS[1]);
    FloatVector zero6 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[0]);
    IntVector mask12 = IntVector.broadcast(INTS, INT_CONSTANTS[2]);
    IntVector one12 = IntVector.broadcast(INTS, INT_CONSTANTS[3]);
    FloatVector zero12 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[1]);
    IntVector top = IntVector.broadcast(INTS, INT_CONSTANTS[4]);
    FloatVector total0 = FloatVector.zero(FLOATS);
    FloatVector total1 = FloatVector.zero(FLOATS);
    FloatVector total2 = FloatVector.zero(FLOATS);
    FloatVector total3 = FloatVector.zero(FLOATS);
    for (int block = 0; block < blocks; block++) {
      FloatVector sum0 = FloatVector.zero(FLOATS);
      FloatVector sum1 = FloatVector.zero(FLOATS);
      FloatVector sum2 = FloatVector.zero(FLOATS);
      FloatVector sum3 = FloatVector.zero(FLOATS);
      for (int group = 0; group < 4; group++) {
        int c = 64 * block + 16 * group;
        IntVector last0 = IntVector.zero(INTS);
        IntVector last1 = IntVector.zero(INTS);
        IntVector last2 = IntVector.zero(INTS);
        IntVector last3 = IntVector.zero(INTS);
        for (int j = 0; j < 3; j++) {
          long offset = (12L * block + 3L * group + j) * 64;
          IntVector word0 = IntVector.fromMemorySegment(INTS, MEMORY, p0 + offset, LITTLE_ENDIAN);
          IntVector word1 = IntVector.fromMemorySegment(INTS, MEMORY, p1 + offset, LITTLE_ENDIAN);
          IntVector word2 = IntVector.fromMemorySegment(INTS, MEMORY, p2 + offset, LITTLE_ENDIAN);
          IntVector word3 = IntVector.fromMemorySegment(INTS, MEMORY, p3 + offset, LITTLE_ENDIAN);
          last0 = last0.lanewise(VectorOperators.LSHR, 2).or(word0.and(top));
          last1 = last1.lanewise(VectorOperators.LSHR, 2).or(word1.and(top));
          last2 = last2.lanewise(VectorOperators.LSHR, 2).or(word2.and(top));
          last3 = last3.lanewise(VectorOperators.LSHR, 2).or(word3.and(top));
          int d = c + 5 * j;
          FloatVector xc = FloatVector.broadcast(FLOATS, x[d]);
          sum0 =
              word0
                  .lanewise(VectorOperators.LSHL, 6)
                  .and(mask6)
                  .or(one6)
                  .reinterpretAsFloats()
                  .sub(zero6)
                  .fma(xc, sum0);
          sum1 =
              word1
                  .lanewise(VectorOperators.LSHL, 6)
                  .and(mask6)
                  .or(one6)
                  .reinterpretAsFloats()
                  .sub(zero6)
                  .fma(xc, sum1);
          sum2 =
              word2
                  .lanewise(VectorOperators.LSHL, 6)
                  .and(mask6)
                  .or(one6)
                  .reinterpretAsFloats()
                  .sub(zero6)
                  .fma(xc, sum2);
          sum3 =
              word3
                  .lanewise(VectorOperators.LSHL, 6)
                  .and(mask6)
                  .or(one6)
                  .reinterpretAsFloats()
                  .sub(zero6)
                  .fma(xc, sum3);
          for (int i = 1; i < 5; i += 2) {
            xc = FloatVector.broadcast(FLOATS, x[d + i]);
            sum0 = word0.and(mask6).or(one6).reinterpretAsFloats().sub(zero6).fma(xc, sum0);
            sum1 = word1.and(mask6).or(one6).reinterpretAsFloats().sub(zero6).fma(xc, sum1);
            sum2 = word2.and(mask6).or(one6).reinterpretAsFloats().sub(zero6).fma(xc, sum2);
            sum3 = word3.and(mask6).or(one6).reinterpretAsFloats().sub(zero6).fma(xc, sum3);
            xc = FloatVector.broadcast(FLOATS, x[d + i + 1]);
            sum0 = word0.and(mask12).or(one12).reinterpretAsFloats().sub(zero12).fma(xc, sum0);
            sum1 = word1.and(mask12).or(one12).reinterpretAsFloats().sub(zero12).fma(xc, sum1);
            sum2 = word2.and(mask12).or(one12).reinterpretAsFloats().sub(zero12).fma(xc, sum2);
            sum3 = word3.and(mask12).or(one12).reinterpretAsFloats().sub(zero12).fma(xc, sum3);
            word0 = word0.lanewise(VectorOperators.LSHR, 12);
            word1 = word1.lanewise(VectorOperators.LSHR, 12);
            word2 = word2.lanewise(VectorOperators.LSHR, 12);
            word3 = word3.lanewise(VectorOperators.LSHR, 12);
          }
        }
        FloatVector xc = FloatVector.broadcast(FLOATS, x[c + 15]);
        last0 = last0.lanewise(VectorOperators.LSHR, 20);
        last1 = last1.lanewise(VectorOperators.LSHR, 20);
        last2 = last2.lanewise(VectorOperators.LSHR, 20);
        last3 = last3.lanewise(VectorOperators.LSHR, 20);
        sum0 = last0.or(one6).reinterpretAsFloats().sub(zero6).fma(xc, sum0);
        sum1 = last1.or(one6).reinterpretAsFloats().sub(zero6).fma(xc, sum1);
        sum2 = last2.or(one6).reinterpretAsFloats().sub(zero6).fma(xc, sum2);
        sum3 = last3.or(one6).reinterpretAsFloats().sub(zero6).fma(xc, sum3);
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
   * @param address of the vector's first word in the first block
   * @param steps the vector's steps of block k at {@code stepOffset + 4 * lanes * k}
   * @param tile receives column c, counted from the first block's, at {@code tileOffset + 16 * c}
   */
  static void decode(
      long address, int blocks, float[] steps, int stepOffset, float[] tile, int tileOffset) {
    IntVector mask6 = IntVector.broadcast(INTS, INT_CONSTANTS[0]);
    IntVector one6 = IntVector.broadcast(INTS, INT_CONSTANTS[1]);
    FloatVector zero6 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[0]);
    IntVector mask12 = IntVector.broadcast(INTS, INT_CONSTANTS[2]);
    IntVector one12 = IntVector.broadcast(INTS, INT_CONSTANTS[3]);
    FloatVector zero12 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[1]);
    IntVector top = IntVector.broadcast(INTS, INT_CONSTANTS[4]);
    for (int block = 0; block < blocks; block++) {
      FloatVector step =
          FloatVector.fromArray(FLOATS, steps, stepOffset + 4 * FLOATS.length() * block);
      for (int group = 0; group < 4; group++) {
        int t = tileOffset + 16 * (64 * block + 16 * group);
        IntVector last = IntVector.zero(INTS);
        for (int j = 0; j < 3; j++) {
          int u = t + 5 * 16 * j;
          IntVector word =
              IntVector.fromMemorySegment(
                  INTS, MEMORY, address + (12L * block + 3L * group + j) * 64, LITTLE_ENDIAN);
          last = last.lanewise(VectorOperators.LSHR, 2).or(word.and(top));
          IntVector low = word.lanewise(VectorOperators.LSHL, 6);
          low.and(mask6).or(one6).reinterpretAsFloats().sub(zero6).mul(step).intoArray(tile, u);
          word.and(mask6)
              .or(one6)
              .reinterpretAsFloats()
              .sub(zero6)
              .mul(step)
              .intoArray(tile, u + 1 * 16);
          word.and(mask12)
              .or(one12)
              .reinterpretAsFloats()
              .sub(zero12)
              .mul(step)
              .intoArray(tile, u + 2 * 16);
          IntVector high = word.lanewise(VectorOperators.LSHR, 12);
          high.and(mask6)
              .or(one6)
              .reinterpretAsFloats()
              .sub(zero6)
              .mul(step)
              .intoArray(tile, u + 3 * 16);
          high.and(mask12)
              .or(one12)
              .reinterpretAsFloats()
              .sub(zero12)
              .mul(step)
              .intoArray(tile, u + 4 * 16);
        }
        last = last.lanewise(VectorOperators.LSHR, 20);
        last.or(one6).reinterpretAsFloats().sub(zero6).mul(step).intoArray(tile, t + 15 * 16);
      }
    }
  }
}
