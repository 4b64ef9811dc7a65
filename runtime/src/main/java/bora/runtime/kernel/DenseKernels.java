package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;
import static bora.runtime.kernel.Lanes.INTS;
import static bora.runtime.kernel.Lanes.LITTLE_ENDIAN;
import static bora.runtime.kernel.Lanes.MEMORY;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * {@code f32} and {@code bf16}: values as they are, no scales. A unit of 64 bytes is one column or
 * two; a panel ends with its last unit, so nothing is read past it. Sums are taken over runs of
 * {@link #RUN_UNITS} units and the runs then summed, which keeps the rounding error near that of
 * the scalar encodings.
 */
final class DenseKernels {
  static final int RUN_UNITS = 64;

  /** In an array for the reason that {@link Q4Kernels} gives. */
  private static final int[] HIGH_HALF = {0xFFFF0000};

  private DenseKernels() {}

  /** Multiplies four vectors of F32 rows by one token; see {@link Q4Kernels#multiply}. */
  static void multiplyF32(long p0, long p1, long p2, long p3, int units, float[] x, float[] sums) {
    int lanes = FLOATS.length();
    FloatVector total0 = FloatVector.zero(FLOATS);
    FloatVector total1 = FloatVector.zero(FLOATS);
    FloatVector total2 = FloatVector.zero(FLOATS);
    FloatVector total3 = FloatVector.zero(FLOATS);
    for (int runStart = 0; runStart < units; runStart += RUN_UNITS) {
      int runEnd = Math.min(units, runStart + RUN_UNITS);
      FloatVector sum0 = FloatVector.zero(FLOATS);
      FloatVector sum1 = FloatVector.zero(FLOATS);
      FloatVector sum2 = FloatVector.zero(FLOATS);
      FloatVector sum3 = FloatVector.zero(FLOATS);
      for (int unit = runStart; unit < runEnd; unit++) {
        long offset = 64L * unit;
        FloatVector xc = FloatVector.broadcast(FLOATS, x[unit]);
        sum0 =
            FloatVector.fromMemorySegment(FLOATS, MEMORY, p0 + offset, LITTLE_ENDIAN).fma(xc, sum0);
        sum1 =
            FloatVector.fromMemorySegment(FLOATS, MEMORY, p1 + offset, LITTLE_ENDIAN).fma(xc, sum1);
        sum2 =
            FloatVector.fromMemorySegment(FLOATS, MEMORY, p2 + offset, LITTLE_ENDIAN).fma(xc, sum2);
        sum3 =
            FloatVector.fromMemorySegment(FLOATS, MEMORY, p3 + offset, LITTLE_ENDIAN).fma(xc, sum3);
      }
      total0 = total0.add(sum0);
      total1 = total1.add(sum1);
      total2 = total2.add(sum2);
      total3 = total3.add(sum3);
    }
    total0.intoArray(sums, 0);
    total1.intoArray(sums, lanes);
    total2.intoArray(sums, 2 * lanes);
    total3.intoArray(sums, 3 * lanes);
  }

  /** Decodes units of one vector of rows; see {@link Q4Kernels#decode}. */
  static void decodeF32(long address, int units, float[] tile, int tileOffset) {
    for (int unit = 0; unit < units; unit++) {
      FloatVector.fromMemorySegment(FLOATS, MEMORY, address + 64L * unit, LITTLE_ENDIAN)
          .intoArray(tile, tileOffset + 16 * unit);
    }
  }

  /** Multiplies four vectors of BF16 rows by one token; see {@link Q4Kernels#multiply}. */
  static void multiplyBF16(long p0, long p1, long p2, long p3, int units, float[] x, float[] sums) {
    int lanes = FLOATS.length();
    FloatVector total0 = FloatVector.zero(FLOATS);
    FloatVector total1 = FloatVector.zero(FLOATS);
    FloatVector total2 = FloatVector.zero(FLOATS);
    FloatVector total3 = FloatVector.zero(FLOATS);
    IntVector highHalf = IntVector.broadcast(INTS, HIGH_HALF[0]);
    for (int runStart = 0; runStart < units; runStart += RUN_UNITS) {
      int runEnd = Math.min(units, runStart + RUN_UNITS);
      FloatVector sum0 = FloatVector.zero(FLOATS);
      FloatVector sum1 = FloatVector.zero(FLOATS);
      FloatVector sum2 = FloatVector.zero(FLOATS);
      FloatVector sum3 = FloatVector.zero(FLOATS);
      for (int unit = runStart; unit < runEnd; unit++) {
        long offset = 64L * unit;
        IntVector word0 = IntVector.fromMemorySegment(INTS, MEMORY, p0 + offset, LITTLE_ENDIAN);
        IntVector word1 = IntVector.fromMemorySegment(INTS, MEMORY, p1 + offset, LITTLE_ENDIAN);
        IntVector word2 = IntVector.fromMemorySegment(INTS, MEMORY, p2 + offset, LITTLE_ENDIAN);
        IntVector word3 = IntVector.fromMemorySegment(INTS, MEMORY, p3 + offset, LITTLE_ENDIAN);
        FloatVector xc = FloatVector.broadcast(FLOATS, x[2 * unit]);
        sum0 = word0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(xc, sum0);
        sum1 = word1.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(xc, sum1);
        sum2 = word2.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(xc, sum2);
        sum3 = word3.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(xc, sum3);
        xc = FloatVector.broadcast(FLOATS, x[2 * unit + 1]);
        sum0 = word0.and(highHalf).reinterpretAsFloats().fma(xc, sum0);
        sum1 = word1.and(highHalf).reinterpretAsFloats().fma(xc, sum1);
        sum2 = word2.and(highHalf).reinterpretAsFloats().fma(xc, sum2);
        sum3 = word3.and(highHalf).reinterpretAsFloats().fma(xc, sum3);
      }
      total0 = total0.add(sum0);
      total1 = total1.add(sum1);
      total2 = total2.add(sum2);
      total3 = total3.add(sum3);
    }
    total0.intoArray(sums, 0);
    total1.intoArray(sums, lanes);
    total2.intoArray(sums, 2 * lanes);
    total3.intoArray(sums, 3 * lanes);
  }

  /** Decodes units of one vector of rows; see {@link Q4Kernels#decode}. */
  static void decodeBF16(long address, int units, float[] tile, int tileOffset) {
    IntVector highHalf = IntVector.broadcast(INTS, HIGH_HALF[0]);
    for (int unit = 0; unit < units; unit++) {
      IntVector word =
          IntVector.fromMemorySegment(INTS, MEMORY, address + 64L * unit, LITTLE_ENDIAN);
      int t = tileOffset + 32 * unit;
      word.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(tile, t);
      word.and(highHalf).reinterpretAsFloats().intoArray(tile, t + 16);
    }
  }
}
