package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The kernels of attention against the definition, at every remainder of rows and lanes. */
class AttentionKernelTest {
  /** Sums of at most 200 terms below 1 stay below 64; each step rounds by 2^-24 of that at most. */
  private static final float TOLERANCE = 0x1p-16f;

  /** Values in front of and behind an argument, which no kernel may read as one or change. */
  private static final int MARGIN = 5;

  private static final float OUTSIDE = 1e9f;

  private static final Kernels VECTOR = Kernels.vector();
  private static final Kernels SCALAR = Kernels.scalar();

  @ParameterizedTest
  @CsvSource({"1, 1, 1", "6, 3, 2", "16, 4, 1", "32, 5, 3", "65, 7, 2", "80, 8, 1", "128, 9, 5"})
  void scoresEqualTheDefinition(int headDim, int rows, int blocks) {
    int keyCount = blocks * Kernels.KEYS_PER_BLOCK;
    int stride = keyCount + 3;
    FloatArray queries = random(rows * headDim, 1);
    FloatArray keyFloats = random(keyCount * headDim, 2);
    for (CacheFormat format : CacheFormat.values()) {
      CachedFloats keys = cached(format, keyFloats);
      FloatArray expected = outside(rows * stride);
      FloatArray found = expected.copy();
      SCALAR.scores(queries, MARGIN, rows, headDim, keys, MARGIN, blocks, expected, MARGIN, stride);
      VECTOR.scores(queries, MARGIN, rows, headDim, keys, MARGIN, blocks, found, MARGIN, stride);
      assertClose(expected, found);
      double byHand = 0;
      for (int i = 0; i < headDim; i++) {
        byHand += queries.get(MARGIN + i) * keyFloats.get(MARGIN + i * Kernels.KEYS_PER_BLOCK + 3);
      }
      assertEquals(byHand, expected.get(MARGIN + 3), headDim * precision(format));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "6, 3, 20",
    "16, 4, 17",
    "32, 5, 0",
    "65, 7, 200",
    "80, 8, 9",
    "128, 9, 31"
  })
  void weightedSumsEqualTheDefinition(int headDim, int rows, int count) {
    int stride = count + 3;
    FloatArray weights = random(rows * stride, 1);
    FloatArray valueFloats = random(count * headDim, 2);
    for (CacheFormat format : CacheFormat.values()) {
      CachedFloats values = cached(format, valueFloats);
      FloatArray expected = random(rows * headDim, 4);
      FloatArray found = expected.copy();
      double first = expected.get(MARGIN);
      SCALAR.addWeighted(
          weights, MARGIN, stride, rows, values, MARGIN, count, headDim, expected, MARGIN);
      VECTOR.addWeighted(
          weights, MARGIN, stride, rows, values, MARGIN, count, headDim, found, MARGIN);
      assertClose(expected, found);
      for (int i = 0; i < count; i++) {
        first += weights.get(MARGIN + i) * valueFloats.get(MARGIN + i * headDim);
      }
      assertEquals(first, expected.get(MARGIN), (count + 1) * precision(format));
    }
  }

  /** What a product of two numbers below 1 may be off. */
  private static double precision(CacheFormat format) {
    return switch (format) {
      case FLOAT32 -> 0x1p-20;
      case FLOAT16 -> 0x1p-11;
      case BFLOAT16 -> 0x1p-8;
    };
  }

  /** All numbers of two bytes. */
  @ParameterizedTest
  @EnumSource(
      value = CacheFormat.class,
      names = {"FLOAT16", "BFLOAT16"})
  void widensEveryNumberExactly(CacheFormat format) {
    int first = 3;
    int count = (1 << Short.SIZE) - first;
    CachedFloats cached = new CachedFloats(format, Arena.ofAuto(), 1 << Short.SIZE);
    for (int i = 0; i < cached.length(); i++) {
      cached.segment().setAtIndex(ValueLayout.JAVA_SHORT, i, (short) i);
    }
    MemorySegment floats =
        Lanes.MEMORY.asSlice(HalfFloats.widen(cached, first, count), (long) count * Float.BYTES);
    for (int i = 0; i < count; i++) {
      short bits = (short) (first + i);
      float expected =
          format == CacheFormat.FLOAT16
              ? Float.float16ToFloat(bits)
              : Float.intBitsToFloat(bits << Short.SIZE);
      float found = floats.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      assertEquals(expected, found, Integer.toHexString(bits));
      assertEquals(expected, cached.get(first + i), Integer.toHexString(bits));
    }
  }

  @ParameterizedTest
  @EnumSource
  void keepsWhatTheFormatRoundsTo(CacheFormat format) {
    CachedFloats cached = new CachedFloats(format, Arena.ofAuto(), 12);
    // A tie of half precision, one of bfloat16, out of half precision's range, and below its
    // normals.
    float[] x = {1 + 0x1p-11f, 1 + 0x1p-8f, 65520, 0x1.8p-24f, -3};
    cached.put(2, 2, x, 0, x.length);
    float[] expected =
        switch (format) {
          case FLOAT32 -> x;
          case FLOAT16 -> new float[] {1, 1 + 0x1p-8f, Float.POSITIVE_INFINITY, 0x1p-23f, -3};
          case BFLOAT16 -> new float[] {1, 1, 65536, 0x1.8p-24f, -3};
        };
    for (int i = 0; i < x.length; i++) {
      assertEquals(expected[i], cached.get(2 + 2 * i));
    }
  }

  /** Rounded halves, ties, subnormals and what is beyond a format, by all kernels. */
  @ParameterizedTest
  @CsvSource({"0, 1", "1, 1", "15, 16", "16, 1", "17, 3", "63, 16", "128, 1", "128, 16"})
  void storesAsTheDefinitionDoes(int count, int stride) {
    Random random = new Random(count);
    FloatArray x = outside(count);
    for (int i = 0; i < count; i++) {
      int any = random.nextInt();
      int small = (any & 0x8FFF_FFFF) | 0x3000_0000;
      int bits =
          switch (i % 3) {
            case 0 -> (small & 0xFFFF_F000) | 0x1000;
            case 1 -> small;
            default -> any;
          };
      x.set(MARGIN + i, Float.intBitsToFloat(bits));
    }
    int length = 2 * MARGIN + Math.max(0, count - 1) * stride + 1;
    for (CacheFormat format : CacheFormat.values()) {
      for (Kernels kernels : new Kernels[] {SCALAR, VECTOR, Kernels.fastest()}) {
        CachedFloats expected = new CachedFloats(format, Arena.ofAuto(), length);
        CachedFloats found = new CachedFloats(format, Arena.ofAuto(), length);
        for (int i = 0; i < length; i++) {
          expected.put(i, 1, new float[] {i}, 0, 1);
          found.put(i, 1, new float[] {i}, 0, 1);
        }
        expected.put(MARGIN, stride, x.values(), MARGIN, count);
        kernels.store(x, MARGIN, count, found, MARGIN, stride);
        for (int i = 0; i < length; i++) {
          assertEquals(expected.get(i), found.get(i), format + " at " + i);
        }
      }
    }
  }

  @Test
  void refusesRangesOutsideTheMemory() {
    FloatArray x = FloatArray.ofLength(128);
    CachedFloats cached = new CachedFloats(CacheFormat.FLOAT32, Arena.ofAuto(), 128);
    CachedFloats halves = new CachedFloats(CacheFormat.FLOAT16, Arena.ofAuto(), 127);
    for (Kernels kernels : new Kernels[] {SCALAR, VECTOR, Kernels.fastest()}) {
      Class<? extends Exception> outside = IndexOutOfBoundsException.class;
      assertThrows(
          outside,
          () -> kernels.scores(x, 125, 1, 4, cached, 0, 1, FloatArray.ofLength(32), 0, 32));
      assertThrows(
          outside, () -> kernels.scores(x, 0, 1, 4, cached, 1, 1, FloatArray.ofLength(32), 0, 32));
      assertThrows(
          outside, () -> kernels.scores(x, 0, 2, 4, cached, 0, 1, FloatArray.ofLength(63), 0, 32));
      assertThrows(
          outside, () -> kernels.scores(x, 0, 1, 4, halves, 0, 1, FloatArray.ofLength(32), 0, 32));
      assertThrows(outside, () -> kernels.addWeighted(x, 127, 2, 1, cached, 0, 2, 4, x, 0));
      assertThrows(outside, () -> kernels.addWeighted(x, 0, 100, 2, cached, 0, 29, 4, x, 0));
      assertThrows(outside, () -> kernels.addWeighted(x, 0, 32, 1, halves, 0, 32, 4, x, 0));
      assertThrows(outside, () -> kernels.store(x, 100, 29, cached, 0, 1));
      assertThrows(outside, () -> kernels.store(x, 0, 9, cached, 0, 16));
      assertThrows(outside, () -> kernels.store(x, 0, 128, halves, 0, 1));
      assertThrows(outside, () -> kernels.store(x, 0, 1, cached, -1, 1));
      Class<? extends Exception> wrong = IllegalArgumentException.class;
      assertThrows(wrong, () -> kernels.store(x, 0, 2, cached, 0, 0));
      assertThrows(
          wrong, () -> kernels.scores(x, 0, 0, 4, cached, 0, 1, FloatArray.ofLength(32), 0, 32));
      assertThrows(
          wrong, () -> kernels.scores(x, 0, 2, 4, cached, 0, 1, FloatArray.ofLength(64), 0, 31));
    }
  }

  private static void assertClose(FloatArray expected, FloatArray found) {
    for (int i = 0; i < expected.length(); i++) {
      assertEquals(expected.get(i), found.get(i), TOLERANCE, "at " + i);
    }
  }

  private static FloatArray random(int length, long seed) {
    Random random = new Random(seed);
    FloatArray values = outside(length);
    for (int i = MARGIN; i < MARGIN + length; i++) {
      values.set(i, 2 * random.nextFloat() - 1);
    }
    return values;
  }

  private static FloatArray outside(int length) {
    FloatArray values = FloatArray.ofLength(MARGIN + length + MARGIN);
    Arrays.fill(values.values(), OUTSIDE);
    return values;
  }

  static CachedFloats cached(CacheFormat format, FloatArray x) {
    CachedFloats cached = new CachedFloats(format, Arena.ofAuto(), x.length());
    cached.put(0, 1, x.values(), 0, x.length());
    return cached;
  }
}
