package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import bora.runtime.machine.MachineCode;
import java.util.Arrays;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Machine code for arrays and attention beside the vector kernels, bit for bit; these are held
 * against the definition by {@link ElementKernelTest} and {@link AttentionKernelTest}.
 */
class AssembledElementTest {
  private static final int OFFSET = 3;

  /** Values in front of and behind an argument, which no kernel may read as one or change. */
  private static final int MARGIN = 5;

  private final Kernels vector = Kernels.vector();
  private final Kernels assembled = Kernels.fastest();

  @BeforeAll
  static void machineCodeRuns() {
    assumeTrue(
        MachineCode.unsupportedReason().isEmpty(),
        () -> "no machine code: " + MachineCode.unsupportedReason().orElseThrow());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 100, 129, 1000})
  void arraysBecomeTheSameBits(int length) {
    for (Content content : Content.values()) {
      FloatArray x = content.values(length, 1);
      FloatArray z = content.values(length, 2);
      assertSameBits(
          x,
          kernels ->
              y -> {
                kernels.addScaled(0.7f, z, OFFSET, y, OFFSET, length);
                return 0f;
              });
      FloatArray weight = FloatArray.wrap(Arrays.copyOfRange(z.values(), OFFSET, OFFSET + length));
      assertSameBits(
          x,
          kernels ->
              y -> {
                kernels.rmsNorm(y, OFFSET, weight, 1e-5f, y, OFFSET, length);
                return 0f;
              });
      assertSameBits(
          x,
          kernels ->
              y -> {
                kernels.swiGlu(y, OFFSET, z, OFFSET, y, OFFSET, length);
                return 0f;
              });
      if (length > 0) {
        // Of two zeros either is the larger.
        assertSameBits(x, kernels -> y -> kernels.max(y, OFFSET, length) + 0f);
      }
      assertSameBits(x, kernels -> y -> kernels.exponentials(y, OFFSET, length, 3f));
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 2", "8, 0", "15, 3", "16, 1", "17, 2", "40, 5", "64, 4"})
  void headsTurnToTheSameBits(int half, int heads) {
    FloatArray cos = Content.GAUSSIAN.values(half, 2);
    FloatArray sin = Content.GAUSSIAN.values(half, 3);
    assertSameBits(
        Content.GAUSSIAN.values(2 * half * heads, 1),
        kernels ->
            y -> {
              kernels.rotate(y, OFFSET, heads, cos, sin, OFFSET, half);
              return 0f;
            });
  }

  @Test
  void theLargestOfValuesAmongWhichIsNaNIsNaN() {
    for (int length : new int[] {1, 15, 16, 33, 100}) {
      for (int at = 0; at < length; at++) {
        FloatArray x = Content.GAUSSIAN.values(length, 1);
        x.set(OFFSET + at, Float.NaN);
        assertEquals(Float.NaN, assembled.max(x, OFFSET, length), length + " at " + at);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "6, 3, 2",
    "16, 4, 1",
    "32, 5, 3",
    "65, 7, 2",
    "80, 8, 1",
    "128, 9, 5",
    "4, 2, 0"
  })
  void scoresAreTheSameBits(int headDim, int rows, int blocks) {
    int keyCount = blocks * Kernels.KEYS_PER_BLOCK;
    int stride = keyCount + 3;
    FloatArray queries = random(rows * headDim, 1);
    FloatArray keyFloats = random(keyCount * headDim, 2);
    FloatArray scores = random(rows * stride, 4);
    for (CacheFormat format : CacheFormat.values()) {
      CachedFloats keys = AttentionKernelTest.cached(format, keyFloats);
      assertSameBits(
          scores,
          kernels ->
              y -> {
                kernels.scores(
                    queries, MARGIN, rows, headDim, keys, MARGIN, blocks, y, MARGIN, stride);
                return 0f;
              });
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
    "128, 9, 31",
    "130, 2, 40",
    "192, 4, 3"
  })
  void weightedSumsAreTheSameBits(int headDim, int rows, int count) {
    int stride = count + 3;
    FloatArray weights = random(rows * stride, 1);
    FloatArray valueFloats = random(count * headDim, 2);
    FloatArray sums = random(rows * headDim, 4);
    for (CacheFormat format : CacheFormat.values()) {
      CachedFloats values = AttentionKernelTest.cached(format, valueFloats);
      assertSameBits(
          sums,
          kernels ->
              y -> {
                kernels.addWeighted(
                    weights, MARGIN, stride, rows, values, MARGIN, count, headDim, y, MARGIN);
                return 0f;
              });
    }
  }

  /** What arrays may be like. */
  private enum Content {
    GAUSSIAN {
      @Override
      float value(Random random) {
        return (float) random.nextGaussian();
      }
    },
    VERY_DIFFERENT {
      @Override
      float value(Random random) {
        return (float) (random.nextGaussian() * Math.pow(10, random.nextInt(25) - 12));
      }
    },
    NOT_FINITE {
      @Override
      float value(Random random) {
        float[] values = {Float.NaN, Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY, -0f};
        int i = random.nextInt(40);
        return i < values.length ? values[i] : 1;
      }
    };

    abstract float value(Random random);

    /** {@code length} values from {@link #OFFSET}, and a few behind. */
    FloatArray values(int length, long seed) {
      Random random = new Random(seed);
      FloatArray values = FloatArray.ofLength(OFFSET + length + MARGIN);
      for (int i = 0; i < values.length(); i++) {
        values.set(i, value(random));
      }
      return values;
    }
  }

  private void assertSameBits(
      FloatArray array, Function<Kernels, Function<FloatArray, Float>> computation) {
    FloatArray expected = array.copy();
    FloatArray found = array.copy();
    float expectedResult = computation.apply(vector).apply(expected);
    float foundResult = computation.apply(assembled).apply(found);
    assertArrayEquals(bits(expected.values()), bits(found.values()));
    assertEquals(expectedResult, foundResult);
  }

  /** Which NaN it is does not matter. */
  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    Arrays.setAll(bits, i -> Float.floatToIntBits(values[i]));
    return bits;
  }

  private static FloatArray random(int length, long seed) {
    Random random = new Random(seed);
    FloatArray values = FloatArray.ofLength(MARGIN + length + MARGIN);
    for (int i = 0; i < values.length(); i++) {
      values.set(i, 2 * random.nextFloat() - 1);
    }
    return values;
  }
}
