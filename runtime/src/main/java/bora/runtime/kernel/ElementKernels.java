package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/**
 * The kernels on plain arrays: whole vectors first, the rest one by one in scalar code that rounds
 * alike. Results are the same bits at every width: calibrations, which decide the bytes of packs,
 * depend on it. Arguments are checked by the caller.
 */
final class ElementKernels {
  // exp(x) = 2^n * exp(r), x = n * ln 2 + r, |r| <= ln(2) / 2; ln 2 in two parts so that r is
  // exact. Its relative error is below 2^-22 within the bounds, and NaN stays NaN. The lowest bits
  // of
  // the rounded sum are n, which moves to the exponent. Written out where it is used: a method of
  // its own may have been compiled by itself first, and is then too large to be inlined.
  private static final float LOG2_E = 0x1.715476p0f;
  private static final float LN2_HIGH = 0x1.62e4p-1f;
  private static final float LN2_LOW = 0x1.7f7d1cp-20f;

  /** Adding it rounds to the nearest integer, which then stands in the lowest bits. */
  private static final float ROUNDER = 0x1.8p23f;

  /** Between these, 2^n is a normal float; beyond them the result is that of the bound. */
  private static final float EXP_MIN = -87;

  private static final float EXP_MAX = 88;

  /**
   * Neighbours that go to partial sums of their own in a horizontal sum, whatever the width of a
   * vector, so that sums are the same bits at every width.
   */
  private static final int SUMS = Lanes.PANEL_ROWS;

  private static final VectorShuffle<Float> FROM_8 = from(8);
  private static final VectorShuffle<Float> FROM_4 = from(4);
  private static final VectorShuffle<Float> FROM_2 = from(2);
  private static final VectorShuffle<Float> FROM_1 = from(1);

  // Coefficients of Cephes' expf.
  private static final float EXP_5 = 1.9875691500e-4f;
  private static final float EXP_4 = 1.3981999507e-3f;
  private static final float EXP_3 = 8.3334519073e-3f;
  private static final float EXP_2 = 4.1665795894e-2f;
  private static final float EXP_1 = 1.6666665459e-1f;
  private static final float EXP_0 = 5.0000001201e-1f;

  private ElementKernels() {}

  private static VectorShuffle<Float> from(int lane) {
    return VectorShuffle.fromOp(FLOATS, i -> (i + lane) % FLOATS.length());
  }

  static float dot(float[] a, int aOffset, float[] b, int bOffset, int length) {
    FloatVector even = FloatVector.zero(FLOATS);
    FloatVector odd = even;
    for (int part = 0; part < Lanes.PARTS; part++) {
      int p = aOffset + part * FLOATS.length();
      int q = bOffset + part * FLOATS.length();
      FloatVector sum0 = FloatVector.zero(FLOATS);
      FloatVector sum1 = sum0;
      int i = 0;
      for (; i <= length - 2 * SUMS; i += 2 * SUMS) {
        FloatVector factor = FloatVector.fromArray(FLOATS, b, q + i);
        sum0 = FloatVector.fromArray(FLOATS, a, p + i).fma(factor, sum0);
        factor = FloatVector.fromArray(FLOATS, b, q + i + SUMS);
        sum1 = FloatVector.fromArray(FLOATS, a, p + i + SUMS).fma(factor, sum1);
      }
      if (i <= length - SUMS) {
        FloatVector factor = FloatVector.fromArray(FLOATS, b, q + i);
        sum0 = FloatVector.fromArray(FLOATS, a, p + i).fma(factor, sum0);
      }
      sum0 = sum0.add(sum1);
      if (part % 2 == 0) {
        even = even.add(sum0);
      } else {
        odd = odd.add(sum0);
      }
    }
    FloatVector sums = even.add(odd);
    float sum = sumOfLanes(sums);
    for (int i = wholeRows(length); i < length; i++) {
      sum = Math.fma(a[aOffset + i], b[bOffset + i], sum);
    }
    return sum;
  }

  private static int wholeRows(int length) {
    return length - length % SUMS;
  }

  /**
   * Adds lanes i and i + half, halving until one is left: {@code reduceLanes} has no order. Where
   * several vectors hold the {@link #SUMS}, those of even and of odd parts were added before, which
   * is the same order; and adding a zero changes no bit but the sign of a zero.
   */
  private static float sumOfLanes(FloatVector sums) {
    FloatVector sum = sums;
    if (Lanes.COUNT > 8) {
      sum = sum.add(sum.rearrange(FROM_8));
    }
    if (Lanes.COUNT > 4) {
      sum = sum.add(sum.rearrange(FROM_4));
    }
    sum = sum.add(sum.rearrange(FROM_2));
    return sum.add(sum.rearrange(FROM_1)).lane(0);
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
      FloatVector bounded = g.neg().max(EXP_MIN).min(EXP_MAX);
      FloatVector rounded =
          bounded.fma(
              FloatVector.broadcast(FLOATS, LOG2_E), FloatVector.broadcast(FLOATS, ROUNDER));
      FloatVector n = rounded.sub(ROUNDER);
      FloatVector r = n.fma(FloatVector.broadcast(FLOATS, -LN2_HIGH), bounded);
      r = n.fma(FloatVector.broadcast(FLOATS, -LN2_LOW), r);
      FloatVector p = r.mul(EXP_5).add(EXP_4);
      p = p.fma(r, FloatVector.broadcast(FLOATS, EXP_3));
      p = p.fma(r, FloatVector.broadcast(FLOATS, EXP_2));
      p = p.fma(r, FloatVector.broadcast(FLOATS, EXP_1));
      p = p.fma(r, FloatVector.broadcast(FLOATS, EXP_0));
      p = p.fma(r.mul(r), r).add(1);
      FloatVector power =
          p.mul(
              rounded
                  .reinterpretAsInts()
                  .lanewise(VectorOperators.LSHL, 23)
                  .add(Float.floatToRawIntBits(1f))
                  .reinterpretAsFloats());
      g.div(power.add(1))
          .mul(FloatVector.fromArray(FLOATS, up, upOffset + i))
          .intoArray(y, yOffset + i);
    }
    for (; i < length; i++) {
      float g = gate[gateOffset + i];
      y[yOffset + i] = g / (exp(-g) + 1) * up[upOffset + i];
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
    int i = 0;
    for (; i <= length - lanes; i += lanes) {
      FloatVector bounded =
          FloatVector.fromArray(FLOATS, x, offset + i).sub(max).max(EXP_MIN).min(EXP_MAX);
      FloatVector rounded =
          bounded.fma(
              FloatVector.broadcast(FLOATS, LOG2_E), FloatVector.broadcast(FLOATS, ROUNDER));
      FloatVector n = rounded.sub(ROUNDER);
      FloatVector r = n.fma(FloatVector.broadcast(FLOATS, -LN2_HIGH), bounded);
      r = n.fma(FloatVector.broadcast(FLOATS, -LN2_LOW), r);
      FloatVector p = r.mul(EXP_5).add(EXP_4);
      p = p.fma(r, FloatVector.broadcast(FLOATS, EXP_3));
      p = p.fma(r, FloatVector.broadcast(FLOATS, EXP_2));
      p = p.fma(r, FloatVector.broadcast(FLOATS, EXP_1));
      p = p.fma(r, FloatVector.broadcast(FLOATS, EXP_0));
      p = p.fma(r.mul(r), r).add(1);
      FloatVector power =
          p.mul(
              rounded
                  .reinterpretAsInts()
                  .lanewise(VectorOperators.LSHL, 23)
                  .add(Float.floatToRawIntBits(1f))
                  .reinterpretAsFloats());
      power.intoArray(x, offset + i);
    }
    for (; i < length; i++) {
      x[offset + i] = exp(x[offset + i] - max);
    }
    FloatVector even = FloatVector.zero(FLOATS);
    FloatVector odd = even;
    for (int part = 0; part < Lanes.PARTS; part++) {
      FloatVector sum = FloatVector.zero(FLOATS);
      for (i = 0; i <= length - SUMS; i += SUMS) {
        sum = sum.add(FloatVector.fromArray(FLOATS, x, offset + part * FLOATS.length() + i));
      }
      if (part % 2 == 0) {
        even = even.add(sum);
      } else {
        odd = odd.add(sum);
      }
    }
    FloatVector sums = even.add(odd);
    double sum = sumOfLanes(sums);
    for (i = wholeRows(length); i < length; i++) {
      sum += x[offset + i];
    }
    return (float) sum;
  }

  /** The same operations on one value: the same bits. */
  private static float exp(float x) {
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
