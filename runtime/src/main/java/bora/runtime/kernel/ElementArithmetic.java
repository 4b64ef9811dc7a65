package bora.runtime.kernel;

/**
 * What the kernels on plain arrays compute, operation by operation: {@link ElementKernels} on
 * vectors of any width and {@link ElementCode} give the same bits. Calibrations, which decide the
 * bytes of packs, depend on it.
 */
final class ElementArithmetic {
  /**
   * Neighbours that go to partial sums of their own in a horizontal sum, whatever the width of a
   * vector, so that sums are the same bits at every width.
   */
  static final int SUMS = 16;

  // exp(x) = 2^n * exp(r), x = n * ln 2 + r, |r| <= ln(2) / 2; ln 2 in two parts so that r is
  // exact. Its relative error is below 2^-22 within the bounds, and NaN stays NaN. The lowest bits
  // of the rounded sum are n, which moves to the exponent.
  static final float LOG2_E = 0x1.715476p0f;
  static final float LN2_HIGH = 0x1.62e4p-1f;
  static final float LN2_LOW = 0x1.7f7d1cp-20f;

  /** Adding it rounds to the nearest integer, which then stands in the lowest bits. */
  static final float ROUNDER = 0x1.8p23f;

  /** Between these, 2^n is a normal float; beyond them the result is that of the bound. */
  static final float EXP_MIN = -87;

  static final float EXP_MAX = 88;

  // Coefficients of Cephes' expf.
  static final float EXP_5 = 1.9875691500e-4f;
  static final float EXP_4 = 1.3981999507e-3f;
  static final float EXP_3 = 8.3334519073e-3f;
  static final float EXP_2 = 4.1665795894e-2f;
  static final float EXP_1 = 1.6666665459e-1f;
  static final float EXP_0 = 5.0000001201e-1f;

  private ElementArithmetic() {}

  static float exp(float x) {
    float bounded = Math.min(Math.max(x, EXP_MIN), EXP_MAX);
    float rounded = Math.fma(bounded, LOG2_E, ROUNDER);
    float n = rounded - ROUNDER;
    float r = Math.fma(n, -LN2_HIGH, bounded);
    r = Math.fma(n, -LN2_LOW, r);
    float p = r * EXP_5 + EXP_4;
    p = Math.fma(p, r, EXP_3);
    p = Math.fma(p, r, EXP_2);
    p = Math.fma(p, r, EXP_1);
    p = Math.fma(p, r, EXP_0);
    p = Math.fma(p, r * r, r) + 1;
    return p
        * Float.intBitsToFloat(
            (Float.floatToRawIntBits(rounded) << 23) + Float.floatToRawIntBits(1f));
  }

  static float swiGlu(float gate, float up) {
    return gate / (exp(-gate) + 1) * up;
  }

  /** What a norm multiplies by. */
  static float normFactor(float squares, int length, float epsilon) {
    double meanSquare = (double) squares / length;
    return (float) (1 / Math.sqrt(meanSquare + epsilon));
  }

  /**
   * Sums of neighbours {@link #SUMS} apart, those of even and of odd runs by themselves and then
   * added; what is left joins their sum one by one.
   */
  static float dot(float[] a, int aOffset, float[] b, int bOffset, int length) {
    float[] sums = new float[2 * SUMS];
    int whole = length - length % SUMS;
    int pairs = length - length % (2 * SUMS);
    for (int i = 0; i < whole; i++) {
      int sum = i < pairs ? i % (2 * SUMS) : i % SUMS;
      sums[sum] = Math.fma(a[aOffset + i], b[bOffset + i], sums[sum]);
    }
    float sum = halve(sums);
    for (int i = whole; i < length; i++) {
      sum = Math.fma(a[aOffset + i], b[bOffset + i], sum);
    }
    return sum;
  }

  /** Sums of neighbours {@link #SUMS} apart; what is left joins their sum in double precision. */
  static float sum(float[] x, int offset, int length) {
    float[] sums = new float[SUMS];
    int whole = length - length % SUMS;
    for (int i = 0; i < whole; i++) {
      sums[i % SUMS] += x[offset + i];
    }
    double sum = halve(sums);
    for (int i = whole; i < length; i++) {
      sum += x[offset + i];
    }
    return (float) sum;
  }

  /** Adds the upper half of some sums to the lower until one is left. */
  private static float halve(float[] sums) {
    for (int half = sums.length / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; i++) {
        sums[i] += sums[i + half];
      }
    }
    return sums[0];
  }
}
