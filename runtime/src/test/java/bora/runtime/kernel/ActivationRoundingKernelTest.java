package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Activations rounded to 8 bits, by vectors and by the definition. */
class ActivationRoundingKernelTest {
  @Test
  void theLargestOfABlockIsKeptAndTheOthersAreTheNearestMultiples() {
    float[] x = new float[100];
    x[3] = -254;
    x[4] = 1;
    x[5] = 3;
    x[6] = 0.99f;
    x[70] = 127;
    x[71] = 0.6f;
    ActivationRounding.round(x, 0, x.length);
    assertEquals(-254, x[3]);
    assertEquals(0, x[4], "half a step, to even");
    assertEquals(4, x[5], "one step and a half, to even");
    assertEquals(0, x[6]);
    assertEquals(127, x[70]);
    assertEquals(1, x[71]);
  }

  @ParameterizedTest
  @ValueSource(floats = {0, 1e-38f, 0x1p-101f})
  void tooSmallABlockIsZero(float magnitude) {
    float[] x = new float[64];
    x[1] = magnitude;
    ActivationRounding.round(x, 0, x.length);
    assertArrayEquals(new float[64], x);
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void whatIsNoNumberSpoilsItsBlockAlone(float value) {
    float[] x = new float[128];
    x[1] = value;
    ActivationRounding.round(x, 0, x.length);
    for (int i = 0; i < x.length; i++) {
      assertEquals(i < 64 ? Float.NaN : 0, x[i], "at " + i);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 31, 63, 64, 65, 200, 14336})
  void vectorsRoundAsTheDefinition(int columns) {
    Random random = new Random(columns);
    float[] x = new float[columns + 1];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) (random.nextGaussian() * Math.exp(4 * random.nextGaussian()));
    }
    RoundedActivations rounded = new RoundedActivations();
    rounded.round(x, 1, columns);
    float[] found = new float[rounded.blocks * ActivationRounding.BLOCK_COLUMNS];
    rounded.values(found, 0);
    ActivationRounding.round(x, 1, columns);
    assertArrayEquals(Arrays.copyOfRange(x, 1, columns + 1), Arrays.copyOf(found, columns));
    for (int i = columns; i < found.length; i++) {
      assertEquals(0, found[i]);
    }
  }
}
