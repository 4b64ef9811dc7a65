package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;
import static bora.runtime.kernel.Lanes.INTS;
import static bora.runtime.kernel.Lanes.LITTLE_ENDIAN;
import static bora.runtime.kernel.Lanes.MEMORY;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * {@code q4} by activations of 8 bits: sums of integers of 16 bits, exact, that no mask is needed
 * for; {@link Q4Factors} says why. A word of a lane holds eight columns; a block of 64 columns is 8
 * units and two runs.
 *
 * <p>See {@link Q4Kernels} for why the loops have no methods of ours in them.
 */
final class Q4IntegerKernels {
  private Q4IntegerKernels() {}

  /**
   * Multiplies four vectors of rows by one token.
   *
   * @param p0 address of the first vector's first word in the first block; and so {@code p1} to
   *     {@code p3}
   * @param x of which the first token counts
   * @param steps the weights' steps of block k: vector v at {@code (4 * k + v) * lanes}
   * @param sums receives the four vectors of sums
   */
  static void multiply(
      long p0, long p1, long p2, long p3, int blocks, Q4Factors x, float[] steps, float[] sums) {
    int lanes = FLOATS.length();
    int[] words = x.words;
    int[] starts = x.starts;
    float[] scales = x.scales;
    FloatVector total0 = FloatVector.zero(FLOATS);
    FloatVector total1 = FloatVector.zero(FLOATS);
    FloatVector total2 = FloatVector.zero(FLOATS);
    FloatVector total3 = FloatVector.zero(FLOATS);
    for (int block = 0; block < blocks; block++) {
      IntVector sum0 = IntVector.zero(INTS);
      IntVector sum1 = IntVector.zero(INTS);
      IntVector sum2 = IntVector.zero(INTS);
      IntVector sum3 = IntVector.zero(INTS);
      for (int run = 2 * block; run < 2 * block + 2; run++) {
        ShortVector factor = IntVector.broadcast(INTS, starts[run]).reinterpretAsShorts();
        ShortVector acc0 = factor;
        ShortVector acc1 = factor;
        ShortVector acc2 = factor;
        ShortVector acc3 = factor;
        for (int unit = 4 * run; unit < 4 * run + 4; unit++) {
          long offset = 64L * unit;
          int w = 4 * unit;
          IntVector word0 = IntVector.fromMemorySegment(INTS, MEMORY, p0 + offset, LITTLE_ENDIAN);
          IntVector word1 = IntVector.fromMemorySegment(INTS, MEMORY, p1 + offset, LITTLE_ENDIAN);
          IntVector word2 = IntVector.fromMemorySegment(INTS, MEMORY, p2 + offset, LITTLE_ENDIAN);
          IntVector word3 = IntVector.fromMemorySegment(INTS, MEMORY, p3 + offset, LITTLE_ENDIAN);
          for (int place = 0; place < 4; place++) {
            factor = IntVector.broadcast(INTS, words[w + place]).reinterpretAsShorts();
            acc0 = acc0.add(word0.reinterpretAsShorts().mul(factor));
            acc1 = acc1.add(word1.reinterpretAsShorts().mul(factor));
            acc2 = acc2.add(word2.reinterpretAsShorts().mul(factor));
            acc3 = acc3.add(word3.reinterpretAsShorts().mul(factor));
            word0 = word0.lanewise(VectorOperators.LSHR, 4);
            word1 = word1.lanewise(VectorOperators.LSHR, 4);
            word2 = word2.lanewise(VectorOperators.LSHR, 4);
            word3 = word3.lanewise(VectorOperators.LSHR, 4);
          }
        }
        IntVector halves0 = acc0.reinterpretAsInts();
        sum0 =
            halves0
                .lanewise(VectorOperators.LSHL, 16)
                .add(halves0)
                .lanewise(VectorOperators.ASHR, 16)
                .add(sum0);
        IntVector halves1 = acc1.reinterpretAsInts();
        sum1 =
            halves1
                .lanewise(VectorOperators.LSHL, 16)
                .add(halves1)
                .lanewise(VectorOperators.ASHR, 16)
                .add(sum1);
        IntVector halves2 = acc2.reinterpretAsInts();
        sum2 =
            halves2
                .lanewise(VectorOperators.LSHL, 16)
                .add(halves2)
                .lanewise(VectorOperators.ASHR, 16)
                .add(sum2);
        IntVector halves3 = acc3.reinterpretAsInts();
        sum3 =
            halves3
                .lanewise(VectorOperators.LSHL, 16)
                .add(halves3)
                .lanewise(VectorOperators.ASHR, 16)
                .add(sum3);
      }
      FloatVector step = FloatVector.broadcast(FLOATS, scales[2 * block]);
      FloatVector half = FloatVector.broadcast(FLOATS, scales[2 * block + 1]);
      int s = 4 * lanes * block;
      FloatVector product0 = ((FloatVector) sum0.convert(VectorOperators.I2F, 0)).fma(step, half);
      FloatVector product1 = ((FloatVector) sum1.convert(VectorOperators.I2F, 0)).fma(step, half);
      FloatVector product2 = ((FloatVector) sum2.convert(VectorOperators.I2F, 0)).fma(step, half);
      FloatVector product3 = ((FloatVector) sum3.convert(VectorOperators.I2F, 0)).fma(step, half);
      total0 = FloatVector.fromArray(FLOATS, steps, s).fma(product0, total0);
      total1 = FloatVector.fromArray(FLOATS, steps, s + lanes).fma(product1, total1);
      total2 = FloatVector.fromArray(FLOATS, steps, s + 2 * lanes).fma(product2, total2);
      total3 = FloatVector.fromArray(FLOATS, steps, s + 3 * lanes).fma(product3, total3);
    }
    total0.intoArray(sums, 0);
    total1.intoArray(sums, lanes);
    total2.intoArray(sums, 2 * lanes);
    total3.intoArray(sums, 3 * lanes);
  }

  /**
   * Sums of some runs of columns for two vectors of rows and eight tokens, each in two halves of 16
   * bits that {@link #addBlocks} puts together.
   *
   * @param p0 address of the first vector's word of the first column, {@code p1} the second's
   * @param runs how many runs
   * @param wordStart where in {@code x.words} the first token's words of the first column are
   * @param runStart where in {@code x.starts} the first token's first run is
   * @param sums receives run r, token t, vector v at {@code (16 * r + 2 * t + v) * lanes}
   */
  static void dot8(
      long p0, long p1, int runs, Q4Factors x, int wordStart, int runStart, int[] sums) {
    int lanes = FLOATS.length();
    int[] words = x.words;
    int[] starts = x.starts;
    int wordStride = x.wordStride;
    int runStride = x.runStride;
    for (int run = 0; run < runs; run++) {
      int s = runStart + run;
      ShortVector acc0a = IntVector.broadcast(INTS, starts[s]).reinterpretAsShorts();
      ShortVector acc0b = acc0a;
      ShortVector acc1a = IntVector.broadcast(INTS, starts[s + runStride]).reinterpretAsShorts();
      ShortVector acc1b = acc1a;
      ShortVector acc2a =
          IntVector.broadcast(INTS, starts[s + 2 * runStride]).reinterpretAsShorts();
      ShortVector acc2b = acc2a;
      ShortVector acc3a =
          IntVector.broadcast(INTS, starts[s + 3 * runStride]).reinterpretAsShorts();
      ShortVector acc3b = acc3a;
      ShortVector acc4a =
          IntVector.broadcast(INTS, starts[s + 4 * runStride]).reinterpretAsShorts();
      ShortVector acc4b = acc4a;
      ShortVector acc5a =
          IntVector.broadcast(INTS, starts[s + 5 * runStride]).reinterpretAsShorts();
      ShortVector acc5b = acc5a;
      ShortVector acc6a =
          IntVector.broadcast(INTS, starts[s + 6 * runStride]).reinterpretAsShorts();
      ShortVector acc6b = acc6a;
      ShortVector acc7a =
          IntVector.broadcast(INTS, starts[s + 7 * runStride]).reinterpretAsShorts();
      ShortVector acc7b = acc7a;
      for (int unit = 4 * run; unit < 4 * run + 4; unit++) {
        IntVector wordA = IntVector.fromMemorySegment(INTS, MEMORY, p0 + 64L * unit, LITTLE_ENDIAN);
        IntVector wordB = IntVector.fromMemorySegment(INTS, MEMORY, p1 + 64L * unit, LITTLE_ENDIAN);
        int end = wordStart + 4 * unit + 4;
        for (int f = end - 4; f < end; f++) {
          ShortVector a = wordA.reinterpretAsShorts();
          ShortVector b = wordB.reinterpretAsShorts();
          ShortVector factor;
          factor = IntVector.broadcast(INTS, words[f]).reinterpretAsShorts();
          acc0a = acc0a.add(a.mul(factor));
          acc0b = acc0b.add(b.mul(factor));
          factor = IntVector.broadcast(INTS, words[f + wordStride]).reinterpretAsShorts();
          acc1a = acc1a.add(a.mul(factor));
          acc1b = acc1b.add(b.mul(factor));
          factor = IntVector.broadcast(INTS, words[f + 2 * wordStride]).reinterpretAsShorts();
          acc2a = acc2a.add(a.mul(factor));
          acc2b = acc2b.add(b.mul(factor));
          factor = IntVector.broadcast(INTS, words[f + 3 * wordStride]).reinterpretAsShorts();
          acc3a = acc3a.add(a.mul(factor));
          acc3b = acc3b.add(b.mul(factor));
          factor = IntVector.broadcast(INTS, words[f + 4 * wordStride]).reinterpretAsShorts();
          acc4a = acc4a.add(a.mul(factor));
          acc4b = acc4b.add(b.mul(factor));
          factor = IntVector.broadcast(INTS, words[f + 5 * wordStride]).reinterpretAsShorts();
          acc5a = acc5a.add(a.mul(factor));
          acc5b = acc5b.add(b.mul(factor));
          factor = IntVector.broadcast(INTS, words[f + 6 * wordStride]).reinterpretAsShorts();
          acc6a = acc6a.add(a.mul(factor));
          acc6b = acc6b.add(b.mul(factor));
          factor = IntVector.broadcast(INTS, words[f + 7 * wordStride]).reinterpretAsShorts();
          acc7a = acc7a.add(a.mul(factor));
          acc7b = acc7b.add(b.mul(factor));
          wordA = wordA.lanewise(VectorOperators.LSHR, 4);
          wordB = wordB.lanewise(VectorOperators.LSHR, 4);
        }
      }
      int r = 16 * lanes * run;
      acc0a.reinterpretAsInts().intoArray(sums, r);
      acc0b.reinterpretAsInts().intoArray(sums, r + lanes);
      acc1a.reinterpretAsInts().intoArray(sums, r + 2 * lanes);
      acc1b.reinterpretAsInts().intoArray(sums, r + 3 * lanes);
      acc2a.reinterpretAsInts().intoArray(sums, r + 4 * lanes);
      acc2b.reinterpretAsInts().intoArray(sums, r + 5 * lanes);
      acc3a.reinterpretAsInts().intoArray(sums, r + 6 * lanes);
      acc3b.reinterpretAsInts().intoArray(sums, r + 7 * lanes);
      acc4a.reinterpretAsInts().intoArray(sums, r + 8 * lanes);
      acc4b.reinterpretAsInts().intoArray(sums, r + 9 * lanes);
      acc5a.reinterpretAsInts().intoArray(sums, r + 10 * lanes);
      acc5b.reinterpretAsInts().intoArray(sums, r + 11 * lanes);
      acc6a.reinterpretAsInts().intoArray(sums, r + 12 * lanes);
      acc6b.reinterpretAsInts().intoArray(sums, r + 13 * lanes);
      acc7a.reinterpretAsInts().intoArray(sums, r + 14 * lanes);
      acc7b.reinterpretAsInts().intoArray(sums, r + 15 * lanes);
    }
  }

  /**
   * Scales what {@link #dot8} summed and adds it to the result.
   *
   * @param blocks two runs each
   * @param scaleStart where in {@code x.scales} the first token's first block is
   * @param steps the weights' steps of block k: vector v at {@code (4 * k + v) * lanes}
   * @param y0 where the first token's sums of the first vector are in {@code y}, those of the
   *     second behind them
   */
  static void addBlocks(
      int[] sums,
      int blocks,
      Q4Factors x,
      int scaleStart,
      float[] steps,
      float[] y,
      int y0,
      int yStride) {
    int lanes = FLOATS.length();
    float[] scales = x.scales;
    for (int token = 0; token < 8; token++) {
      int at = y0 + token * yStride;
      FloatVector totalA = FloatVector.zero(FLOATS);
      FloatVector totalB = FloatVector.zero(FLOATS);
      for (int block = 0; block < blocks; block++) {
        int r = (32 * block + 2 * token) * lanes;
        IntVector a0 = IntVector.fromArray(INTS, sums, r);
        IntVector b0 = IntVector.fromArray(INTS, sums, r + lanes);
        IntVector a1 = IntVector.fromArray(INTS, sums, r + 16 * lanes);
        IntVector b1 = IntVector.fromArray(INTS, sums, r + 17 * lanes);
        a0 = a0.lanewise(VectorOperators.LSHL, 16).add(a0).lanewise(VectorOperators.ASHR, 16);
        b0 = b0.lanewise(VectorOperators.LSHL, 16).add(b0).lanewise(VectorOperators.ASHR, 16);
        a1 = a1.lanewise(VectorOperators.LSHL, 16).add(a1).lanewise(VectorOperators.ASHR, 16);
        b1 = b1.lanewise(VectorOperators.LSHL, 16).add(b1).lanewise(VectorOperators.ASHR, 16);
        int s = scaleStart + token * x.runStride + 2 * block;
        FloatVector step = FloatVector.broadcast(FLOATS, scales[s]);
        FloatVector half = FloatVector.broadcast(FLOATS, scales[s + 1]);
        FloatVector productA =
            ((FloatVector) a0.add(a1).convert(VectorOperators.I2F, 0)).fma(step, half);
        FloatVector productB =
            ((FloatVector) b0.add(b1).convert(VectorOperators.I2F, 0)).fma(step, half);
        int w = 4 * lanes * block;
        totalA = FloatVector.fromArray(FLOATS, steps, w).fma(productA, totalA);
        totalB = FloatVector.fromArray(FLOATS, steps, w + lanes).fma(productB, totalB);
      }
      FloatVector.fromArray(FLOATS, y, at).add(totalA).intoArray(y, at);
      FloatVector.fromArray(FLOATS, y, at + lanes).add(totalB).intoArray(y, at + lanes);
    }
  }
}
