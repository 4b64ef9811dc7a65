package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The kernels on plain arrays: whole vectors first, the rest one by one in scalar code. Arguments
 * are checked by the caller.
 */
final class ElementKernels {
  // exp(x) = 2^n * exp(r), x = n * ln 2 + r, |r| <= ln(2) / 2; ln 2 in two parts so that r is
  // exact.
  private static final float LOG2_E = 0x1.715476p0f;
  private static final float LN2_HIGH = 0x1.62e4p-1f;
  private static final float LN2_LOW = 0x1.7f7d1cp-20f;

  /** Adding it rounds to the nearest integer, which then stands in the lowest bits. */
  private static final float ROUNDER = 0x1.8p23f;

  /** Between these, 2^n is a normal float; beyond them the result is that of the bound. */
  private static final float EXP_MIN = -87;

  private static final float EXP_MAX = 88;

  private ElementKernels() {}

  static float dot(float[] a, int aOffset, float[] b, int bOffset, int length) {
    int lanes = FLOATS.length();
    FloatVector sum0 = FloatVector.zero(FLOATS);
    FloatVector sum1 = sum0;
    FloatVector sum2 = sum0;
    FloatVector sum3 = sum0;
    int i = 0;
    for (; i <= length - 4 * lanes; i += 4 * lanes) {
      int p = aOffset + i;
      int q = bOffset + i;
      sum0 = FloatVector.fromArray(FLOATS, a, p).fma(FloatVector.fromArray(FLOATS, b, q), sum0);
      p += lanes;
      q += lanes;
      sum1 = FloatVector.fromArray(FLOATS, a, p).fma(FloatVector.fromArray(FLOATS, b, q), sum1);
      p += lanes;
      q += lanes;
      sum2 = FloatVector.fromArray(FLOATS, a, p).fma(FloatVector.fromArray(FLOATS, b, q), sum2);
      p += lanes;
      q += lanes;
      sum3 = FloatVector.fromArray(FLOATS, a, p).fma(FloatVector.fromArray(FLOATS, b, q), sum3);
    }
    for (; i <= length - lanes; i += lanes) {
      FloatVector factor = FloatVector.fromArray(FLOATS, b, bOffset + i);
      sum0 = FloatVector.fromArray(FLOATS, a, aOffset + i).fma(factor, sum0);
    }
    float sum = sum0.add(sum1).add(sum2.add(sum3)).reduceLanes(VectorOperators.ADD);
    for (; i < length; i++) {
      sum = Math.fma(a[aOffset + i], b[bOffset + i], sum);
    }
    return sum;
  }

  static void addScaled(float scale, float[] x, int xOffset, float[] y, int yOffset, int length) {
    int lanes = FLOATS.length();
    FloatVector factor = FloatVector.broadcast(FLOATS, scale);
    int i = 0;
    for (; i <= length - lanes; i += lanes) {
      FloatVector.fromArray(FLOATS, x, xOffset + i)
          .fma(factor, FloatVector.fromArray(FLOATS, y, yOffset + i))
          .intoArray(y, yOffset + i);
    }
    for (; i < length; i++) {
      y[yOffset + i] = Math.fma(scale, x[xOffset + i], y[yOffset + i]);
    }
  }

  static void rmsNorm(
      float[] x, int xOffset, float[] weight, float epsilon, float[] y, int yOffset, int length) {
    int lanes = FLOATS.length();
    double meanSquare = (double) dot(x, xOffset, x, xOffset, length) / length;
    float factor = (float) (1 / Math.sqrt(meanSquare + epsilon));
    int i = 0;
    for (; i <= length - lanes; i += lanes) {
      FloatVector.fromArray(FLOATS, x, xOffset + i)
          .mul(factor)
          .mul(FloatVector.fromArray(FLOATS, weight, i))
          .intoArray(y, yOffset + i);
    }
    for (; i < length; i++) {
      y[yOffset + i] = weight[i] * (x[xOffset + i] * factor);
    }
  }

  static void swiGlu(
      float[] gate, int gateOffset, float[] up, int upOffset, float[] y, int yOffset, int length) {
    int lanes = FLOATS.length();
    int i = 0;
    for (; i <= length - lanes; i += lanes) {
      FloatVector g = FloatVector.fromArray(FLOATS, gate, gateOffset + i);
      g.div(exp(g.neg()).add(1))
          .mul(FloatVector.fromArray(FLOATS, up, upOffset + i))
          .intoArray(y, yOffset + i);
    }
    for (; i < length; i++) {
      double g = gate[gateOffset + i];
      y[yOffset + i] = (float) (g / (1 + Math.exp(-g)) * up[upOffset + i]);
    }
  }

  static float max(float[] x, int offset, int length) {
    int lanes = FLOATS.length();
    int i = 0;
    FloatVector maxima = FloatVector.broadcast(FLOATS, x[offset]);
    for (; i <= length - lanes; i += lanes) {
      maxima = maxima.max(FloatVector.fromArray(FLOATS, x, offset + i));
    }
    float max = maxima.reduceLanes(VectorOperators.MAX);
    for (; i < length; i++) {
      max = Math.max(max, x[offset + i]);
    }
    return max;
  }

  static float exponentials(float[] x, int offset, int length, float max) {
    int lanes = FLOATS.length();
    FloatVector sums = FloatVector.zero(FLOATS);
    int i = 0;
    for (; i <= length - lanes; i += lanes) {
      FloatVector power = exp(FloatVector.fromArray(FLOATS, x, offset + i).sub(max));
      power.intoArray(x, offset + i);
      sums = sums.add(power);
    }
    double sum = sums.reduceLanes(VectorOperators.ADD);
    for (; i < length; i++) {
      float power = (float) Math.exp((double) x[offset + i] - max);
      x[offset + i] = power;
      sum += power;
    }
    return (float) sum;
  }

  /** Relative error below 2^-22 within the bounds; NaN stays NaN. */
  private static FloatVector exp(FloatVector x) {
    FloatVector bounded = x.max(EXP_MIN).min(EXP_MAX);
    FloatVector rounded =
        bounded.fma(FloatVector.broadcast(FLOATS, LOG2_E), FloatVector.broadcast(FLOATS, ROUNDER));
    FloatVector n = rounded.sub(ROUNDER);
    FloatVector r = n.fma(FloatVector.broadcast(FLOATS, -LN2_HIGH), bounded);
    r = n.fma(FloatVector.broadcast(FLOATS, -LN2_LOW), r);
    // Coefficients of Cephes' expf.
    FloatVector p = r.mul(1.9875691500e-4f).add(1.3981999507e-3f);
    p = p.fma(r, FloatVector.broadcast(FLOATS, 8.3334519073e-3f));
    p = p.fma(r, FloatVector.broadcast(FLOATS, 4.1665795894e-2f));
    p = p.fma(r, FloatVector.broadcast(FLOATS, 1.6666665459e-1f));
    p = p.fma(r, FloatVector.broadcast(FLOATS, 5.0000001201e-1f));
    p = p.fma(r.mul(r), r).add(1);
    // The lowest bits of the rounded sum are n, which moves to the exponent.
    return p.mul(
        rounded
            .reinterpretAsInts()
            .lanewise(VectorOperators.LSHL, 23)
            .add(Float.floatToRawIntBits(1f))
            .reinterpretAsFloats());
  }

  static void rotate(float[] x, int offset, float[] cos, float[] sin, int tableOffset, int half) {
    int lanes = FLOATS.length();
    int i = 0;
    for (; i <= half - lanes; i += lanes) {
      FloatVector a = FloatVector.fromArray(FLOATS, x, offset + i);
      FloatVector b = FloatVector.fromArray(FLOATS, x, offset + half + i);
      FloatVector c = FloatVector.fromArray(FLOATS, cos, tableOffset + i);
      FloatVector s = FloatVector.fromArray(FLOATS, sin, tableOffset + i);
      a.mul(c).sub(b.mul(s)).intoArray(x, offset + i);
      b.mul(c).add(a.mul(s)).intoArray(x, offset + half + i);
    }
    for (; i < half; i++) {
      float a = x[offset + i];
      float b = x[offset + half + i];
      float c = cos[tableOffset + i];
      float s = sin[tableOffset + i];
      x[offset + i] = a * c - b * s;
      x[offset + half + i] = b * c + a * s;
    }
  }
}
