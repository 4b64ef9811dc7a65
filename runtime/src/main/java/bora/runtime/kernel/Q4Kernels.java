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
 * {@code q4}: a word of a lane holds eight columns, 4 bits each; a block of 64 columns is 8 units.
 *
 * <p>A field is not shifted down to its number: masked in place at bit p and with the exponent of
 * {@code 2^(23-p)} put above it, it is the float {@code 2^(23-p) + code}, and one subtraction,
 * exact, makes it {@code code - centre}. No conversion is needed.
 *
 * <p>Few constants, in few registers, are worth more than few shifts: what does not fit in
 * registers is loaded at every use. They come from arrays, so that the compiler does not know them;
 * what it knows it loads at every use too.
 *
 * <p>The loops have no methods of ours in them and at most sixteen fields in their bodies, on
 * purpose. A compiler that runs out of its budget for inlining makes vectors into objects, and the
 * kernel is twenty times slower; whether it does then varies from run to run. {@code
 * AllocationKernelTest} watches that.
 */
final class Q4Kernels {
  private static final float CENTRE = ScalarGrid.centre(Encoding.Q4.codeBits());

  private static final int MASK_8 = 0xf00;
  private static final int ONE_8 = Float.floatToRawIntBits(0x1p15f);
  private static final float ZERO_8 = 0x1p15f + CENTRE;

  private static final int MASK_12 = 0xf000;
  private static final int ONE_12 = Float.floatToRawIntBits(0x1p11f);
  private static final float ZERO_12 = 0x1p11f + CENTRE;

  private static final int MASK_16 = 0xf0000;
  private static final int ONE_16 = Float.floatToRawIntBits(0x1p7f);
  private static final float ZERO_16 = 0x1p7f + CENTRE;

  private static final int[] INT_CONSTANTS = {MASK_8, ONE_8, MASK_12, ONE_12, MASK_16, ONE_16};
  private static final float[] FLOAT_CONSTANTS = {ZERO_8, ZERO_12, ZERO_16};

  private Q4Kernels() {}

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
    IntVector mask8 = IntVector.broadcast(INTS, INT_CONSTANTS[0]);
    IntVector one8 = IntVector.broadcast(INTS, INT_CONSTANTS[1]);
    FloatVector zero8 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[0]);
    FloatVector total0 = FloatVector.zero(FLOATS);
    FloatVector total1 = FloatVector.zero(FLOATS);
    FloatVector total2 = FloatVector.zero(FLOATS);
    FloatVector total3 = FloatVector.zero(FLOATS);
    for (int block = 0; block < blocks; block++) {
      FloatVector sum0 = FloatVector.zero(FLOATS);
      FloatVector sum1 = FloatVector.zero(FLOATS);
      FloatVector sum2 = FloatVector.zero(FLOATS);
      FloatVector sum3 = FloatVector.zero(FLOATS);
      for (int unit = 0; unit < 8; unit++) {
        long offset = (8L * block + unit) * 64;
        int c = 64 * block + 8 * unit;
        IntVector word0 = IntVector.fromMemorySegment(INTS, MEMORY, p0 + offset, LITTLE_ENDIAN);
        IntVector word1 = IntVector.fromMemorySegment(INTS, MEMORY, p1 + offset, LITTLE_ENDIAN);
        IntVector word2 = IntVector.fromMemorySegment(INTS, MEMORY, p2 + offset, LITTLE_ENDIAN);
        IntVector word3 = IntVector.fromMemorySegment(INTS, MEMORY, p3 + offset, LITTLE_ENDIAN);
        for (int d = c; d < c + 8; d += 4) {
          FloatVector xc = FloatVector.broadcast(FLOATS, x[d]);
          sum0 =
              word0
                  .lanewise(VectorOperators.LSHL, 8)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum0);
          sum1 =
              word1
                  .lanewise(VectorOperators.LSHL, 8)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum1);
          sum2 =
              word2
                  .lanewise(VectorOperators.LSHL, 8)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum2);
          sum3 =
              word3
                  .lanewise(VectorOperators.LSHL, 8)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum3);
          xc = FloatVector.broadcast(FLOATS, x[d + 1]);
          sum0 =
              word0
                  .lanewise(VectorOperators.LSHL, 4)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum0);
          sum1 =
              word1
                  .lanewise(VectorOperators.LSHL, 4)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum1);
          sum2 =
              word2
                  .lanewise(VectorOperators.LSHL, 4)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum2);
          sum3 =
              word3
                  .lanewise(VectorOperators.LSHL, 4)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum3);
          xc = FloatVector.broadcast(FLOATS, x[d + 2]);
          sum0 = word0.and(mask8).or(one8).reinterpretAsFloats().sub(zero8).fma(xc, sum0);
          sum1 = word1.and(mask8).or(one8).reinterpretAsFloats().sub(zero8).fma(xc, sum1);
          sum2 = word2.and(mask8).or(one8).reinterpretAsFloats().sub(zero8).fma(xc, sum2);
          sum3 = word3.and(mask8).or(one8).reinterpretAsFloats().sub(zero8).fma(xc, sum3);
          xc = FloatVector.broadcast(FLOATS, x[d + 3]);
          sum0 =
              word0
                  .lanewise(VectorOperators.LSHR, 4)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum0);
          sum1 =
              word1
                  .lanewise(VectorOperators.LSHR, 4)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum1);
          sum2 =
              word2
                  .lanewise(VectorOperators.LSHR, 4)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum2);
          sum3 =
              word3
                  .lanewise(VectorOperators.LSHR, 4)
                  .and(mask8)
                  .or(one8)
                  .reinterpretAsFloats()
                  .sub(zero8)
                  .fma(xc, sum3);
          word0 = word0.lanewise(VectorOperators.LSHR, 16);
          word1 = word1.lanewise(VectorOperators.LSHR, 16);
          word2 = word2.lanewise(VectorOperators.LSHR, 16);
          word3 = word3.lanewise(VectorOperators.LSHR, 16);
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
   * @param address of the vector's first word in the first block
   * @param steps the vector's steps of block k at {@code stepOffset + 4 * lanes * k}
   * @param tile receives column c, counted from the first block's, at {@code tileOffset + 16 * c}
   */
  static void decode(
      long address, int blocks, float[] steps, int stepOffset, float[] tile, int tileOffset) {
    IntVector mask8 = IntVector.broadcast(INTS, INT_CONSTANTS[0]);
    IntVector one8 = IntVector.broadcast(INTS, INT_CONSTANTS[1]);
    FloatVector zero8 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[0]);
    IntVector mask12 = IntVector.broadcast(INTS, INT_CONSTANTS[2]);
    IntVector one12 = IntVector.broadcast(INTS, INT_CONSTANTS[3]);
    FloatVector zero12 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[1]);
    IntVector mask16 = IntVector.broadcast(INTS, INT_CONSTANTS[4]);
    IntVector one16 = IntVector.broadcast(INTS, INT_CONSTANTS[5]);
    FloatVector zero16 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[2]);
    for (int block = 0; block < blocks; block++) {
      FloatVector step =
          FloatVector.fromArray(FLOATS, steps, stepOffset + 4 * FLOATS.length() * block);
      for (int unit = 0; unit < 8; unit++) {
        long offset = (8L * block + unit) * 64;
        int t = tileOffset + 16 * (64 * block + 8 * unit);
        IntVector word = IntVector.fromMemorySegment(INTS, MEMORY, address + offset, LITTLE_ENDIAN);
        IntVector low = word.lanewise(VectorOperators.LSHL, 8);
        low.and(mask8).or(one8).reinterpretAsFloats().sub(zero8).mul(step).intoArray(tile, t);
        low.and(mask12)
            .or(one12)
            .reinterpretAsFloats()
            .sub(zero12)
            .mul(step)
            .intoArray(tile, t + 1 * 16);
        word.and(mask8)
            .or(one8)
            .reinterpretAsFloats()
            .sub(zero8)
            .mul(step)
            .intoArray(tile, t + 2 * 16);
        word.and(mask12)
            .or(one12)
            .reinterpretAsFloats()
            .sub(zero12)
            .mul(step)
            .intoArray(tile, t + 3 * 16);
        word.and(mask16)
            .or(one16)
            .reinterpretAsFloats()
            .sub(zero16)
            .mul(step)
            .intoArray(tile, t + 4 * 16);
        IntVector high = word.lanewise(VectorOperators.LSHR, 12);
        high.and(mask8)
            .or(one8)
            .reinterpretAsFloats()
            .sub(zero8)
            .mul(step)
            .intoArray(tile, t + 5 * 16);
        high.and(mask12)
            .or(one12)
            .reinterpretAsFloats()
            .sub(zero12)
            .mul(step)
            .intoArray(tile, t + 6 * 16);
        high.and(mask16)
            .or(one16)
            .reinterpretAsFloats()
            .sub(zero16)
            .mul(step)
            .intoArray(tile, t + 7 * 16);
      }
    }
  }
}
