package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;

/** Compares what two forward passes computed. */
final class Differences {
  private Differences() {}

  static void assertClose(String what, double[] expected, float[] actual, double tolerance) {
    assertEquals(expected.length, actual.length, what);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], tolerance, what + " " + i);
    }
  }

  static void assertClose(String what, float[] expected, float[] actual, double tolerance) {
    assertEquals(expected.length, actual.length, what);
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], tolerance, what + " " + i);
    }
  }
}
