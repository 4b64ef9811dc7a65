package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The kernels on arrays against the definition. */
class ElementKernelTest {
  /** Relative to the magnitudes that enter a result; a few roundings of 2^-24 each. */
  private static final float TOLERANCE = 0x1p-20f;

  private static final int OFFSET = 3;

  private static final Kernels VECTOR = Kernels.vector();
  private static final Kernels SCALAR = Kernels.scalar();

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 4, 7, 15, 16, 17, 31, 64, 100, 129, 1000})
  void productsEqualTheDefinition(int length) {
    FloatArray a = gaussian(length, 1);
    FloatArray b = gaussian(length, 2);
    FloatArray expected = b.copy();
    FloatArray found = b.copy();
    SCALAR.addScaled(0.7f, a, OFFSET, expected, OFFSET, length);
    VECTOR.addScaled(0.7f, a, OFFSET, found, OFFSET, length);
    assertClose(expected, found, 0);

    SCALAR.swiGlu(a, OFFSET, b, OFFSET, expected, OFFSET, length);
    VECTOR.swiGlu(a, OFFSET, b, OFFSET, found, OFFSET, length);
    assertClose(expected, found, TOLERANCE);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 7, 15, 16, 17, 31, 64, 100, 129, 1000})
  void normAndExponentialsEqualTheDefinition(int length) {
    FloatArray x = gaussian(length, 1);
    FloatArray weight =
        FloatArray.wrap(Arrays.copyOfRange(gaussian(length, 2).values(), OFFSET, OFFSET + length));
    FloatArray expected = x.copy();
    FloatArray found = x.copy();
    SCALAR.rmsNorm(x, OFFSET, weight, 1e-5f, expected, OFFSET, length);
    VECTOR.rmsNorm(found, OFFSET, weight, 1e-5f, found, OFFSET, length);
    assertClose(expected, found, TOLERANCE);

    FloatArray logits = x.copy();
    for (int i = 0; i < length; i++) {
      logits.set(OFFSET + i, 20 * logits.get(OFFSET + i));
    }
    expected = logits.copy();
    found = logits.copy();
    float max = SCALAR.max(logits, OFFSET, length);
    assertEquals(max, VECTOR.max(logits, OFFSET, length));
    float sum = SCALAR.exponentials(expected, OFFSET, length, max);
    assertEquals(sum, VECTOR.exponentials(found, OFFSET, length, max), 8 * TOLERANCE * sum);
    for (int i = 0; i < length; i++) {
      // An exponent is rounded to float32, which is a relative error of the power.
      float limit = (4 + max - logits.get(OFFSET + i)) * 0x1p-23f * expected.get(OFFSET + i);
      assertEquals(expected.get(OFFSET + i), found.get(OFFSET + i), limit + 1e-37f);
    }
    assertEquals(logits.get(0), found.get(0));
  }

  /** A calibration decides bytes of packs, so it may not depend on the machine's vectors. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 100, 129, 1000})
  void dotProductsAddInOneOrderAtEveryWidth(int length) {
    float[] a = gaussian(length, 1).values();
    float[] b = gaussian(length, 2).values();
    float[] sums = new float[32];
    int whole = length / 16 * 16;
    for (int i = 0; i < whole; i++) {
      int sum = i < length / 32 * 32 ? i % 32 : i % 16;
      sums[sum] = Math.fma(a[OFFSET + i], b[OFFSET + i], sums[sum]);
    }
    for (int half = 16; half > 0; half /= 2) {
      for (int i = 0; i < half; i++) {
        sums[i] += sums[i + half];
      }
    }
    float expected = sums[0];
    for (int i = whole; i < length; i++) {
      expected = Math.fma(a[OFFSET + i], b[OFFSET + i], expected);
    }
    assertEquals(expected, ElementKernels.dot(a, OFFSET, b, OFFSET, length), 0);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 15, 17, 31})
  void theLastElementsAreTreatedLikeTheOthers(int length) {
    FloatArray gate = gaussian(64, 1);
    FloatArray up = gaussian(64, 2);
    FloatArray whole = FloatArray.ofLength(64);
    FloatArray part = FloatArray.ofLength(64);
    VECTOR.swiGlu(gate, 0, up, 0, whole, 0, 64);
    VECTOR.swiGlu(gate, 0, up, 0, part, 0, length);
    for (int i = 0; i < length; i++) {
      assertEquals(whole.get(i), part.get(i), 0);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 8, 15, 16, 17, 64})
  void rotationEqualsTheDefinition(int half) {
    FloatArray x = gaussian(2 * half, 1);
    FloatArray cos = gaussian(half, 2);
    FloatArray sin = gaussian(half, 3);
    FloatArray found = x.copy();
    SCALAR.rotate(x, OFFSET, 1, cos, sin, OFFSET, half);
    VECTOR.rotate(found, OFFSET, 1, cos, sin, OFFSET, half);
    assertClose(x, found, 0);
  }

  @Test
  void activationHoldsOverTheWholeRange() {
    int length = 4096;
    FloatArray gate = FloatArray.ofLength(length);
    FloatArray up = FloatArray.ofLength(length);
    FloatArray expected = FloatArray.ofLength(length);
    FloatArray found = FloatArray.ofLength(length);
    for (int i = 0; i < length; i++) {
      gate.set(i, (i - length / 2) / 16f);
      up.set(i, 1);
    }
    SCALAR.swiGlu(gate, 0, up, 0, expected, 0, length);
    VECTOR.swiGlu(gate, 0, up, 0, found, 0, length);
    for (int i = 0; i < length; i++) {
      assertEquals(expected.get(i), found.get(i), TOLERANCE * Math.abs(expected.get(i)) + 1e-34f);
    }
  }

  @Test
  void activationKeepsNaN() {
    FloatArray values = FloatArray.ofLength(64);
    Arrays.fill(values.values(), Float.NaN);
    VECTOR.swiGlu(values, 0, values.copy(), 0, values, 0, 64);
    for (float value : values.values()) {
      assertTrue(Float.isNaN(value));
    }
  }

  @Test
  void refusesRangesOutsideTheArrays() {
    FloatArray x = FloatArray.ofLength(10);
    for (Kernels kernels : new Kernels[] {SCALAR, VECTOR, Kernels.fastest()}) {
      assertThrows(IndexOutOfBoundsException.class, () -> kernels.addScaled(1, x, 0, x, -1, 4));
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> kernels.rmsNorm(x, 0, x, 0, FloatArray.ofLength(9), 0, 10));
      assertThrows(IndexOutOfBoundsException.class, () -> kernels.swiGlu(x, 0, x, 8, x, 0, 3));
      assertThrows(IndexOutOfBoundsException.class, () -> kernels.max(x, 0, 11));
      assertThrows(IndexOutOfBoundsException.class, () -> kernels.exponentials(x, 5, 6, 0));
      assertThrows(IllegalArgumentException.class, () -> kernels.max(x, 0, 0));
      assertThrows(IndexOutOfBoundsException.class, () -> kernels.rotate(x, 1, 1, x, x, 0, 5));
    }
  }

  private static void assertClose(FloatArray expected, FloatArray found, float tolerance) {
    for (int i = 0; i < expected.length(); i++) {
      float limit = tolerance * Math.abs(expected.get(i));
      assertEquals(expected.get(i), found.get(i), limit, "at " + i);
    }
  }

  /** {@code length} values from {@link #OFFSET} and a few behind that no kernel may change. */
  private static FloatArray gaussian(int length, long seed) {
    Random random = new Random(seed);
    FloatArray values = FloatArray.ofLength(OFFSET + length + 5);
    for (int i = 0; i < values.length(); i++) {
      values.set(i, (float) random.nextGaussian());
    }
    return values;
  }
}
