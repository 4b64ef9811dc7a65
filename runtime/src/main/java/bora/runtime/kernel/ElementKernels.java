package bora.runtime.kernel;

import static bora.runtime.kernel.ElementArithmetic.EXP_0;
import static bora.runtime.kernel.ElementArithmetic.EXP_1;
import static bora.runtime.kernel.ElementArithmetic.EXP_2;
import static bora.runtime.kernel.ElementArithmetic.EXP_3;
import static bora.runtime.kernel.ElementArithmetic.EXP_4;
import static bora.runtime.kernel.ElementArithmetic.EXP_5;
import static bora.runtime.kernel.ElementArithmetic.EXP_MAX;
import static bora.runtime.kernel.ElementArithmetic.EXP_MIN;
import static bora.runtime.kernel.ElementArithmetic.LN2_HIGH;
import static bora.runtime.kernel.ElementArithmetic.LN2_LOW;
import static bora.runtime.kernel.ElementArithmetic.LOG2_E;
import static bora.runtime.kernel.ElementArithmetic.ROUNDER;
import static bora.runtime.kernel.ElementArithmetic.SUMS;
import static bora.runtime.kernel.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;

/**
 * The kernels on plain arrays as {@link ElementArithmetic} defines them: whole vectors first, the
 * rest one by one. The exponential is written out where it is used: a method of its own may have
 * been compiled by itself first, and is then too large to be inlined. Arguments are checked by the
 * caller.
 */
final class ElementKernels {
  private static final VectorShuffle<Float> FROM_8 = from(8);
  private static final VectorShuffle<Float> FROM_4 = from(4);
  private static final VectorShuffle<Float> FROM_2 = from(2);
  private static final VectorShuffle<Float> FROM_1 = from(1);

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
   * several vectors hold the {@link ElementArithmetic#SUMS}, those of even and of odd parts were
   * added before, which is the same order; and adding a zero changes no bit but the sign of a zero.
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
    float squares = dot(x, xOffset, x, xOffset, length);
    float factor = ElementArithmetic.normFactor(squares, length, epsilon);
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
      y[yOffset + i] = ElementArithmetic.swiGlu(gate[gateOffset + i], up[upOffset + i]);
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
      x[offset + i] = ElementArithmetic.exp(x[offset + i] - max);
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

  static void rotate(
      float[] x, int offset, int heads, float[] cos, float[] sin, int tableOffset, int half) {
    for (int head = 0; head < heads; head++) {
      rotate(x, offset + head * 2 * half, cos, sin, tableOffset, half);
    }
  }

  private static void rotate(
      float[] x, int offset, float[] cos, float[] sin, int tableOffset, int half) {
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
