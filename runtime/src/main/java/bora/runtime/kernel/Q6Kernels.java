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
 * <p>A field is never shifted down to its number: masked in place at bit p and with the exponent of
 * {@code 2^(23-p)} put above it, it is the float {@code 2^(23-p) + code}, and one subtraction,
 * exact, makes it {@code code - centre}. Few shifts and no conversion are needed.
 *
 * <p>The bodies are straight lines on purpose. Past some sixty vector operations in one method the
 * compiler stops inlining methods of ours, vectors become objects and the kernel is twenty times
 * slower; {@code AllocationKernelTest} watches that.
 */
final class Q6Kernels {
  private static final float CENTRE = ScalarGrid.centre(Encoding.Q6.codeBits());

  private static final int MASK_6 = 0xfc0;
  private static final int ONE_6 = Float.floatToRawIntBits(0x1p17f);
  private static final float ZERO_6 = 0x1p17f + CENTRE;

  private static final int MASK_12 = 0x3f000;
  private static final int ONE_12 = Float.floatToRawIntBits(0x1p11f);
  private static final float ZERO_12 = 0x1p11f + CENTRE;

  private Q6Kernels() {}

  /**
   * Multiplies four vectors of rows by one token.
   *
   * @param p0 address of the first vector's first word in the first block; and so {@code p1} to
   *     {@code p3}
   * @param x the activations, zero past the last column
   * @param scales the steps of block k: vector v at {@code (4 * k + v) * lanes}
   * @param sums receives the four vectors of sums
   */
  static void multiply(
      long p0, long p1, long p2, long p3, int blocks, float[] x, float[] scales, float[] sums) {
    int lanes = FLOATS.length();
    FloatVector total0 = FloatVector.zero(FLOATS);
    FloatVector total1 = FloatVector.zero(FLOATS);
    FloatVector total2 = FloatVector.zero(FLOATS);
    FloatVector total3 = FloatVector.zero(FLOATS);
    for (int block = 0; block < blocks; block++) {
      FloatVector sum0 = FloatVector.zero(FLOATS);
      FloatVector sum1 = FloatVector.zero(FLOATS);
      FloatVector sum2 = FloatVector.zero(FLOATS);
      FloatVector sum3 = FloatVector.zero(FLOATS);
      for (int unit = 0; unit < 12; unit += 3) {
        long offset = (12L * block + unit) * 64;
        int c = 64 * block + 16 * (unit / 3);
        IntVector word0 = IntVector.fromMemorySegment(INTS, MEMORY, p0 + offset, LITTLE_ENDIAN);
        IntVector word1 = IntVector.fromMemorySegment(INTS, MEMORY, p1 + offset, LITTLE_ENDIAN);
        IntVector word2 = IntVector.fromMemorySegment(INTS, MEMORY, p2 + offset, LITTLE_ENDIAN);
        IntVector word3 = IntVector.fromMemorySegment(INTS, MEMORY, p3 + offset, LITTLE_ENDIAN);
        IntVector last0 = word0.lanewise(VectorOperators.LSHR, 30);
        IntVector last1 = word1.lanewise(VectorOperators.LSHR, 30);
        IntVector last2 = word2.lanewise(VectorOperators.LSHR, 30);
        IntVector last3 = word3.lanewise(VectorOperators.LSHR, 30);
        IntVector low0 = word0.lanewise(VectorOperators.LSHL, 6);
        IntVector low1 = word1.lanewise(VectorOperators.LSHL, 6);
        IntVector low2 = word2.lanewise(VectorOperators.LSHL, 6);
        IntVector low3 = word3.lanewise(VectorOperators.LSHL, 6);
        FloatVector xc = FloatVector.broadcast(FLOATS, x[c]);
        sum0 = low0.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum0);
        sum1 = low1.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum1);
        sum2 = low2.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum2);
        sum3 = low3.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 1]);
        sum0 = word0.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum0);
        sum1 = word1.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum1);
        sum2 = word2.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum2);
        sum3 = word3.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 2]);
        sum0 = word0.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum0);
        sum1 = word1.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum1);
        sum2 = word2.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum2);
        sum3 = word3.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum3);
        IntVector high0 = word0.lanewise(VectorOperators.LSHR, 12);
        IntVector high1 = word1.lanewise(VectorOperators.LSHR, 12);
        IntVector high2 = word2.lanewise(VectorOperators.LSHR, 12);
        IntVector high3 = word3.lanewise(VectorOperators.LSHR, 12);
        xc = FloatVector.broadcast(FLOATS, x[c + 3]);
        sum0 = high0.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum0);
        sum1 = high1.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum1);
        sum2 = high2.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum2);
        sum3 = high3.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 4]);
        sum0 = high0.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum0);
        sum1 = high1.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum1);
        sum2 = high2.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum2);
        sum3 = high3.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum3);
        word0 = IntVector.fromMemorySegment(INTS, MEMORY, p0 + offset + 64, LITTLE_ENDIAN);
        word1 = IntVector.fromMemorySegment(INTS, MEMORY, p1 + offset + 64, LITTLE_ENDIAN);
        word2 = IntVector.fromMemorySegment(INTS, MEMORY, p2 + offset + 64, LITTLE_ENDIAN);
        word3 = IntVector.fromMemorySegment(INTS, MEMORY, p3 + offset + 64, LITTLE_ENDIAN);
        last0 =
            last0.or(word0.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 2));
        last1 =
            last1.or(word1.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 2));
        last2 =
            last2.or(word2.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 2));
        last3 =
            last3.or(word3.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 2));
        low0 = word0.lanewise(VectorOperators.LSHL, 6);
        low1 = word1.lanewise(VectorOperators.LSHL, 6);
        low2 = word2.lanewise(VectorOperators.LSHL, 6);
        low3 = word3.lanewise(VectorOperators.LSHL, 6);
        xc = FloatVector.broadcast(FLOATS, x[c + 5]);
        sum0 = low0.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum0);
        sum1 = low1.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum1);
        sum2 = low2.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum2);
        sum3 = low3.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 6]);
        sum0 = word0.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum0);
        sum1 = word1.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum1);
        sum2 = word2.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum2);
        sum3 = word3.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 7]);
        sum0 = word0.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum0);
        sum1 = word1.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum1);
        sum2 = word2.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum2);
        sum3 = word3.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum3);
        high0 = word0.lanewise(VectorOperators.LSHR, 12);
        high1 = word1.lanewise(VectorOperators.LSHR, 12);
        high2 = word2.lanewise(VectorOperators.LSHR, 12);
        high3 = word3.lanewise(VectorOperators.LSHR, 12);
        xc = FloatVector.broadcast(FLOATS, x[c + 8]);
        sum0 = high0.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum0);
        sum1 = high1.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum1);
        sum2 = high2.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum2);
        sum3 = high3.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 9]);
        sum0 = high0.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum0);
        sum1 = high1.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum1);
        sum2 = high2.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum2);
        sum3 = high3.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum3);
        word0 = IntVector.fromMemorySegment(INTS, MEMORY, p0 + offset + 128, LITTLE_ENDIAN);
        word1 = IntVector.fromMemorySegment(INTS, MEMORY, p1 + offset + 128, LITTLE_ENDIAN);
        word2 = IntVector.fromMemorySegment(INTS, MEMORY, p2 + offset + 128, LITTLE_ENDIAN);
        word3 = IntVector.fromMemorySegment(INTS, MEMORY, p3 + offset + 128, LITTLE_ENDIAN);
        last0 =
            last0.or(word0.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 4));
        last1 =
            last1.or(word1.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 4));
        last2 =
            last2.or(word2.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 4));
        last3 =
            last3.or(word3.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 4));
        low0 = word0.lanewise(VectorOperators.LSHL, 6);
        low1 = word1.lanewise(VectorOperators.LSHL, 6);
        low2 = word2.lanewise(VectorOperators.LSHL, 6);
        low3 = word3.lanewise(VectorOperators.LSHL, 6);
        xc = FloatVector.broadcast(FLOATS, x[c + 10]);
        sum0 = low0.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum0);
        sum1 = low1.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum1);
        sum2 = low2.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum2);
        sum3 = low3.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 11]);
        sum0 = word0.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum0);
        sum1 = word1.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum1);
        sum2 = word2.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum2);
        sum3 = word3.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 12]);
        sum0 = word0.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum0);
        sum1 = word1.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum1);
        sum2 = word2.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum2);
        sum3 = word3.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum3);
        high0 = word0.lanewise(VectorOperators.LSHR, 12);
        high1 = word1.lanewise(VectorOperators.LSHR, 12);
        high2 = word2.lanewise(VectorOperators.LSHR, 12);
        high3 = word3.lanewise(VectorOperators.LSHR, 12);
        xc = FloatVector.broadcast(FLOATS, x[c + 13]);
        sum0 = high0.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum0);
        sum1 = high1.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum1);
        sum2 = high2.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum2);
        sum3 = high3.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 14]);
        sum0 = high0.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum0);
        sum1 = high1.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum1);
        sum2 = high2.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum2);
        sum3 = high3.and(MASK_12).or(ONE_12).reinterpretAsFloats().sub(ZERO_12).fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[c + 15]);
        sum0 =
            last0
                .lanewise(VectorOperators.LSHL, 6)
                .or(ONE_6)
                .reinterpretAsFloats()
                .sub(ZERO_6)
                .fma(xc, sum0);
        sum1 =
            last1
                .lanewise(VectorOperators.LSHL, 6)
                .or(ONE_6)
                .reinterpretAsFloats()
                .sub(ZERO_6)
                .fma(xc, sum1);
        sum2 =
            last2
                .lanewise(VectorOperators.LSHL, 6)
                .or(ONE_6)
                .reinterpretAsFloats()
                .sub(ZERO_6)
                .fma(xc, sum2);
        sum3 =
            last3
                .lanewise(VectorOperators.LSHL, 6)
                .or(ONE_6)
                .reinterpretAsFloats()
                .sub(ZERO_6)
                .fma(xc, sum3);
      }
      int s = 4 * lanes * block;
      total0 = FloatVector.fromArray(FLOATS, scales, s).fma(sum0, total0);
      total1 = FloatVector.fromArray(FLOATS, scales, s + lanes).fma(sum1, total1);
      total2 = FloatVector.fromArray(FLOATS, scales, s + 2 * lanes).fma(sum2, total2);
      total3 = FloatVector.fromArray(FLOATS, scales, s + 3 * lanes).fma(sum3, total3);
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
   * @param scales the vector's steps of block k at {@code scaleOffset + 4 * lanes * k}
   * @param tile receives column c, counted from the first block's, at {@code tileOffset + 16 * c}
   */
  static void decode(
      long address, int blocks, float[] scales, int scaleOffset, float[] tile, int tileOffset) {
    for (int block = 0; block < blocks; block++) {
      FloatVector step =
          FloatVector.fromArray(FLOATS, scales, scaleOffset + 4 * FLOATS.length() * block);
      for (int unit = 0; unit < 12; unit += 3) {
        long offset = (12L * block + unit) * 64;
        int t = tileOffset + 16 * (64 * block + 16 * (unit / 3));
        IntVector word = IntVector.fromMemorySegment(INTS, MEMORY, address + offset, LITTLE_ENDIAN);
        IntVector last = word.lanewise(VectorOperators.LSHR, 30);
        IntVector low = word.lanewise(VectorOperators.LSHL, 6);
        low.and(MASK_6).or(ONE_6).reinterpretAsFloats().sub(ZERO_6).mul(step).intoArray(tile, t);
        word.and(MASK_6)
            .or(ONE_6)
            .reinterpretAsFloats()
            .sub(ZERO_6)
            .mul(step)
            .intoArray(tile, t + 1 * 16);
        word.and(MASK_12)
            .or(ONE_12)
            .reinterpretAsFloats()
            .sub(ZERO_12)
            .mul(step)
            .intoArray(tile, t + 2 * 16);
        IntVector high = word.lanewise(VectorOperators.LSHR, 12);
        high.and(MASK_6)
            .or(ONE_6)
            .reinterpretAsFloats()
            .sub(ZERO_6)
            .mul(step)
            .intoArray(tile, t + 3 * 16);
        high.and(MASK_12)
            .or(ONE_12)
            .reinterpretAsFloats()
            .sub(ZERO_12)
            .mul(step)
            .intoArray(tile, t + 4 * 16);
        word = IntVector.fromMemorySegment(INTS, MEMORY, address + offset + 64, LITTLE_ENDIAN);
        last = last.or(word.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 2));
        low = word.lanewise(VectorOperators.LSHL, 6);
        low.and(MASK_6)
            .or(ONE_6)
            .reinterpretAsFloats()
            .sub(ZERO_6)
            .mul(step)
            .intoArray(tile, t + 5 * 16);
        word.and(MASK_6)
            .or(ONE_6)
            .reinterpretAsFloats()
            .sub(ZERO_6)
            .mul(step)
            .intoArray(tile, t + 6 * 16);
        word.and(MASK_12)
            .or(ONE_12)
            .reinterpretAsFloats()
            .sub(ZERO_12)
            .mul(step)
            .intoArray(tile, t + 7 * 16);
        high = word.lanewise(VectorOperators.LSHR, 12);
        high.and(MASK_6)
            .or(ONE_6)
            .reinterpretAsFloats()
            .sub(ZERO_6)
            .mul(step)
            .intoArray(tile, t + 8 * 16);
        high.and(MASK_12)
            .or(ONE_12)
            .reinterpretAsFloats()
            .sub(ZERO_12)
            .mul(step)
            .intoArray(tile, t + 9 * 16);
        word = IntVector.fromMemorySegment(INTS, MEMORY, address + offset + 128, LITTLE_ENDIAN);
        last = last.or(word.lanewise(VectorOperators.LSHR, 30).lanewise(VectorOperators.LSHL, 4));
        low = word.lanewise(VectorOperators.LSHL, 6);
        low.and(MASK_6)
            .or(ONE_6)
            .reinterpretAsFloats()
            .sub(ZERO_6)
            .mul(step)
            .intoArray(tile, t + 10 * 16);
        word.and(MASK_6)
            .or(ONE_6)
            .reinterpretAsFloats()
            .sub(ZERO_6)
            .mul(step)
            .intoArray(tile, t + 11 * 16);
        word.and(MASK_12)
            .or(ONE_12)
            .reinterpretAsFloats()
            .sub(ZERO_12)
            .mul(step)
            .intoArray(tile, t + 12 * 16);
        high = word.lanewise(VectorOperators.LSHR, 12);
        high.and(MASK_6)
            .or(ONE_6)
            .reinterpretAsFloats()
            .sub(ZERO_6)
            .mul(step)
            .intoArray(tile, t + 13 * 16);
        high.and(MASK_12)
            .or(ONE_12)
            .reinterpretAsFloats()
            .sub(ZERO_12)
            .mul(step)
            .intoArray(tile, t + 14 * 16);
        last.lanewise(VectorOperators.LSHL, 6)
            .or(ONE_6)
            .reinterpretAsFloats()
            .sub(ZERO_6)
            .mul(step)
            .intoArray(tile, t + 15 * 16);
      }
    }
  }
}
