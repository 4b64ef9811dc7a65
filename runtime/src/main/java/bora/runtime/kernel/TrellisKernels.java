package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;
import static bora.runtime.kernel.Lanes.INTS;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * {@code t1} to {@code t5}, from {@link TrellisFields}. A lane has four neighbouring rows; with the
 * field of its elder neighbour above its own, the state of each is so many bits of one word. What
 * {@link TrellisCode#value} says is then computed operation by operation.
 *
 * <p>Vectors of rows are of every fourth row: vector v has row {@code 4 l + v} in lane l. See
 * {@link Q4Kernels} for why the loops have no methods of ours in them.
 */
final class TrellisKernels {
  /** In an array for the reason that {@link Q4Kernels} gives. */
  private static final float[] HASH_UNIT = {TrellisCode.HASH_UNIT};

  private TrellisKernels() {}

  /** How far before a lane the one stands whose field continues its own. */
  private static int elderDistance(Encoding encoding) {
    return encoding == Encoding.T1 ? 2 : 1;
  }

  private static int fieldBits(Encoding encoding) {
    return TrellisPanel.ROWS_PER_LANE * encoding.codeBits() * elderDistance(encoding);
  }

  /**
   * Adds the products of some columns, without the rows' scales, to the sums of a panel.
   *
   * @param part which lanes
   * @param x the activations, those of the columns from {@code xOffset}
   * @param sums row {@code 4 l + v} at {@code 16 v + l}
   */
  static void multiply(
      Encoding encoding,
      int stateBits,
      int[] fields,
      int part,
      int columns,
      float[] x,
      int xOffset,
      float[] sums) {
    int bits = encoding.codeBits();
    int distance = elderDistance(encoding);
    IntVector fieldBits = IntVector.broadcast(INTS, fieldBits(encoding));
    IntVector shift0 = IntVector.broadcast(INTS, 3 * bits);
    IntVector shift1 = IntVector.broadcast(INTS, 2 * bits);
    IntVector shift2 = IntVector.broadcast(INTS, bits);
    IntVector mask = IntVector.broadcast(INTS, (1 << stateBits) - 1);
    IntVector multiplier = IntVector.broadcast(INTS, TrellisCode.multiplier(encoding));
    FloatVector unit = FloatVector.broadcast(FLOATS, HASH_UNIT[0]);
    FloatVector sum0 = FloatVector.zero(FLOATS);
    FloatVector sum1 = FloatVector.zero(FLOATS);
    FloatVector sum2 = FloatVector.zero(FLOATS);
    FloatVector sum3 = FloatVector.zero(FLOATS);
    int lane = TrellisFields.FIRST_LANE + part * Lanes.COUNT;
    for (int c = 0; c < columns; c++) {
      int f = lane + TrellisFields.STRIDE * c;
      IntVector word =
          IntVector.fromArray(INTS, fields, f - distance)
              .lanewise(VectorOperators.LSHL, fieldBits)
              .or(IntVector.fromArray(INTS, fields, f));
      FloatVector xc = FloatVector.broadcast(FLOATS, x[xOffset + c]);
      IntVector state = word.lanewise(VectorOperators.LSHR, shift0).and(mask);
      FloatVector u = (FloatVector) state.mul(multiplier).convert(VectorOperators.I2F, 0);
      u = u.mul(unit);
      FloatVector power = u.mul(u);
      power = power.mul(power);
      sum0 = power.mul(power).fma(u, u).fma(xc, sum0);
      state = word.lanewise(VectorOperators.LSHR, shift1).and(mask);
      u = (FloatVector) state.mul(multiplier).convert(VectorOperators.I2F, 0);
      u = u.mul(unit);
      power = u.mul(u);
      power = power.mul(power);
      sum1 = power.mul(power).fma(u, u).fma(xc, sum1);
      state = word.lanewise(VectorOperators.LSHR, shift2).and(mask);
      u = (FloatVector) state.mul(multiplier).convert(VectorOperators.I2F, 0);
      u = u.mul(unit);
      power = u.mul(u);
      power = power.mul(power);
      sum2 = power.mul(power).fma(u, u).fma(xc, sum2);
      state = word.and(mask);
      u = (FloatVector) state.mul(multiplier).convert(VectorOperators.I2F, 0);
      u = u.mul(unit);
      power = u.mul(u);
      power = power.mul(power);
      sum3 = power.mul(power).fma(u, u).fma(xc, sum3);
    }
    int s = part * Lanes.COUNT;
    sum0.add(FloatVector.fromArray(FLOATS, sums, s)).intoArray(sums, s);
    sum1.add(FloatVector.fromArray(FLOATS, sums, s + 16)).intoArray(sums, s + 16);
    sum2.add(FloatVector.fromArray(FLOATS, sums, s + 32)).intoArray(sums, s + 32);
    sum3.add(FloatVector.fromArray(FLOATS, sums, s + 48)).intoArray(sums, s + 48);
  }

  /**
   * Decodes some columns, bit for bit as the scalar definition.
   *
   * @param scales of the rows, in the order of {@link #multiply}'s sums
   * @param tile receives row {@code 4 l + v} of column c at {@code tileOffset + v * vectorStride +
   *     16 c + l}
   */
  static void decode(
      Encoding encoding,
      int stateBits,
      int[] fields,
      int part,
      int columns,
      float[] scales,
      float[] tile,
      int tileOffset,
      int vectorStride) {
    int bits = encoding.codeBits();
    int distance = elderDistance(encoding);
    IntVector fieldBits = IntVector.broadcast(INTS, fieldBits(encoding));
    IntVector shift0 = IntVector.broadcast(INTS, 3 * bits);
    IntVector shift1 = IntVector.broadcast(INTS, 2 * bits);
    IntVector shift2 = IntVector.broadcast(INTS, bits);
    IntVector mask = IntVector.broadcast(INTS, (1 << stateBits) - 1);
    IntVector multiplier = IntVector.broadcast(INTS, TrellisCode.multiplier(encoding));
    FloatVector unit = FloatVector.broadcast(FLOATS, HASH_UNIT[0]);
    int s = part * Lanes.COUNT;
    FloatVector scale0 = FloatVector.fromArray(FLOATS, scales, s);
    FloatVector scale1 = FloatVector.fromArray(FLOATS, scales, s + 16);
    FloatVector scale2 = FloatVector.fromArray(FLOATS, scales, s + 32);
    FloatVector scale3 = FloatVector.fromArray(FLOATS, scales, s + 48);
    int lane = TrellisFields.FIRST_LANE + part * Lanes.COUNT;
    for (int c = 0; c < columns; c++) {
      int f = lane + TrellisFields.STRIDE * c;
      int t = tileOffset + 16 * c + s;
      IntVector word =
          IntVector.fromArray(INTS, fields, f - distance)
              .lanewise(VectorOperators.LSHL, fieldBits)
              .or(IntVector.fromArray(INTS, fields, f));
      IntVector state = word.lanewise(VectorOperators.LSHR, shift0).and(mask);
      FloatVector u = (FloatVector) state.mul(multiplier).convert(VectorOperators.I2F, 0);
      u = u.mul(unit);
      FloatVector power = u.mul(u);
      power = power.mul(power);
      power.mul(power).fma(u, u).mul(scale0).intoArray(tile, t);
      state = word.lanewise(VectorOperators.LSHR, shift1).and(mask);
      u = (FloatVector) state.mul(multiplier).convert(VectorOperators.I2F, 0);
      u = u.mul(unit);
      power = u.mul(u);
      power = power.mul(power);
      power.mul(power).fma(u, u).mul(scale1).intoArray(tile, t + vectorStride);
      state = word.lanewise(VectorOperators.LSHR, shift2).and(mask);
      u = (FloatVector) state.mul(multiplier).convert(VectorOperators.I2F, 0);
      u = u.mul(unit);
      power = u.mul(u);
      power = power.mul(power);
      power.mul(power).fma(u, u).mul(scale2).intoArray(tile, t + 2 * vectorStride);
      state = word.and(mask);
      u = (FloatVector) state.mul(multiplier).convert(VectorOperators.I2F, 0);
      u = u.mul(unit);
      power = u.mul(u);
      power = power.mul(power);
      power.mul(power).fma(u, u).mul(scale3).intoArray(tile, t + 3 * vectorStride);
    }
  }
}
