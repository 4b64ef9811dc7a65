package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
  @CsvSource({"2, 1, 1", "6, 3, 2", "16, 4, 1", "32, 5, 3", "64, 7, 2", "80, 8, 1", "128, 9, 5"})
  void scoresEqualTheDefinition(int headDim, int rows, int blocks) {
    int keyCount = blocks * Kernels.KEYS_PER_BLOCK;
    int stride = keyCount + 3;
    FloatArray queries = random(rows * headDim, 1);
    FloatArray keyFloats = random(keyCount * headDim, 2);
    CachedFloats keys = cached(keyFloats);
    FloatArray expected = outside(rows * stride);
    FloatArray found = expected.copy();
    SCALAR.scores(queries, MARGIN, rows, headDim, keys, MARGIN, blocks, expected, MARGIN, stride);
    VECTOR.scores(queries, MARGIN, rows, headDim, keys, MARGIN, blocks, found, MARGIN, stride);
    assertClose(expected, found);
    float byHand = 0;
    for (int i = 0; i < headDim; i++) {
      byHand += queries.get(MARGIN + i) * keyFloats.get(MARGIN + i * Kernels.KEYS_PER_BLOCK + 3);
    }
    assertEquals(byHand, expected.get(MARGIN + 3), 1e-4f);

    CachedFloats pairs = pairs(keyCount * headDim / 2, 3);
    expected = outside(rows * stride);
    found = expected.copy();
    SCALAR.scores(queries, MARGIN, rows, headDim, pairs, MARGIN, blocks, expected, MARGIN, stride);
    VECTOR.scores(queries, MARGIN, rows, headDim, pairs, MARGIN, blocks, found, MARGIN, stride);
    assertClose(expected, found);
  }

  @ParameterizedTest
  @CsvSource({
    "2, 1, 1",
    "6, 3, 20",
    "16, 4, 17",
    "32, 5, 0",
    "64, 7, 200",
    "80, 8, 9",
    "128, 9, 31"
  })
  void weightedSumsEqualTheDefinition(int headDim, int rows, int count) {
    int stride = count + 3;
    FloatArray weights = random(rows * stride, 1);
    FloatArray valueFloats = random(count * headDim, 2);
    CachedFloats values = cached(valueFloats);
    FloatArray expected = random(rows * headDim, 4);
    FloatArray found = expected.copy();
    float first = expected.get(MARGIN + 1);
    SCALAR.addWeighted(
        weights, MARGIN, stride, rows, values, MARGIN, count, headDim, expected, MARGIN);
    VECTOR.addWeighted(
        weights, MARGIN, stride, rows, values, MARGIN, count, headDim, found, MARGIN);
    assertClose(expected, found);
    for (int i = 0; i < count; i++) {
      first += weights.get(MARGIN + i) * valueFloats.get(MARGIN + i * headDim + 1);
    }
    assertEquals(first, expected.get(MARGIN + 1), 1e-4f);

    CachedFloats pairs = pairs(count * headDim / 2, 3);
    SCALAR.addWeighted(
        weights, MARGIN, stride, rows, pairs, MARGIN, count, headDim, expected, MARGIN);
    VECTOR.addWeighted(weights, MARGIN, stride, rows, pairs, MARGIN, count, headDim, found, MARGIN);
    assertClose(expected, found);
  }

  @Test
  void aPairHoldsTwoComponentsHalfAHeadApart() {
    for (Kernels kernels : new Kernels[] {SCALAR, VECTOR}) {
      int headDim = 4;
      CachedFloats keys =
          CachedFloats.bfloat16(Arena.ofAuto(), headDim / 2 * Kernels.KEYS_PER_BLOCK);
      keys.put(7, Kernels.KEYS_PER_BLOCK, new float[] {0, 3, 0, 5}, 0, headDim);
      FloatArray scores = FloatArray.ofLength(2 * Kernels.KEYS_PER_BLOCK);
      FloatArray queries = FloatArray.wrap(new float[] {0, 1, 0, 0, 0, 0, 0, 1});
      kernels.scores(queries, 0, 2, headDim, keys, 0, 1, scores, 0, Kernels.KEYS_PER_BLOCK);
      assertEquals(3, scores.get(7));
      assertEquals(5, scores.get(Kernels.KEYS_PER_BLOCK + 7));
      CachedFloats values = CachedFloats.bfloat16(Arena.ofAuto(), headDim / 2);
      values.put(0, 1, new float[] {1, 3, 2, 4}, 0, headDim);
      FloatArray sums = FloatArray.ofLength(headDim);
      kernels.addWeighted(
          FloatArray.wrap(new float[] {2}), 0, 1, 1, values, 0, 1, headDim, sums, 0);
      assertEquals(2, sums.get(0));
      assertEquals(6, sums.get(1));
      assertEquals(4, sums.get(2));
      assertEquals(8, sums.get(3));
    }
  }

  @Test
  void refusesRangesOutsideTheMemory() {
    FloatArray x = FloatArray.ofLength(128);
    CachedFloats cached = CachedFloats.float32(Arena.ofAuto(), 128);
    CachedFloats pairs = CachedFloats.bfloat16(Arena.ofAuto(), 63);
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
          outside, () -> kernels.scores(x, 0, 1, 4, pairs, 0, 1, FloatArray.ofLength(32), 0, 32));
      assertThrows(outside, () -> kernels.addWeighted(x, 127, 2, 1, cached, 0, 2, 4, x, 0));
      assertThrows(outside, () -> kernels.addWeighted(x, 0, 100, 2, cached, 0, 29, 4, x, 0));
      assertThrows(outside, () -> kernels.addWeighted(x, 0, 32, 1, pairs, 0, 32, 4, x, 0));
      Class<? extends Exception> wrong = IllegalArgumentException.class;
      assertThrows(
          wrong, () -> kernels.scores(x, 0, 0, 4, cached, 0, 1, FloatArray.ofLength(32), 0, 32));
      assertThrows(
          wrong, () -> kernels.scores(x, 0, 2, 4, cached, 0, 1, FloatArray.ofLength(64), 0, 31));
      assertThrows(wrong, () -> kernels.addWeighted(x, 0, 4, 1, pairs, 0, 4, 3, x, 0));
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

  static CachedFloats cached(FloatArray x) {
    CachedFloats cached = CachedFloats.float32(Arena.ofAuto(), x.length());
    cached.put(0, 1, x.values(), 0, x.length());
    return cached;
  }

  /** Words of two bf16, with margins. */
  static CachedFloats pairs(int length, long seed) {
    CachedFloats pairs = CachedFloats.bfloat16(Arena.ofAuto(), MARGIN + length + MARGIN);
    pairs.put(MARGIN, 1, random(2 * length, seed).values(), MARGIN, 2 * length);
    return pairs;
  }
}
