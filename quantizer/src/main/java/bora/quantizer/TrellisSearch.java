package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Finds the circular string of symbols whose code values come close to 64 targets: the algorithm of
 * Viterbi over the states of a trellis code, twice. The first pass goes some rows towards where the
 * string closes and as many beyond, with both ends free; the bits that it has there are then fixed
 * for the second, from the first row to the last.
 *
 * <p>States that differ in their oldest symbol alone form a group: the next state is made from what
 * they share. The cost of a group is that of its best state, with the oldest symbol of that state
 * in place of the lowest bits, so that one minimum chooses both; that takes 2^-19 of the cost in
 * the decision between states. Vectors are of neighbouring groups and every lane is computed alone,
 * in the same order at every width, so the string does not depend on the machine.
 */
final class TrellisSearch {
  private static final int ROWS = TrellisPanel.ROWS;

  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);

  // Constants, because a shuffle that the compiler does not know costs several times as much.
  private static final VectorShuffle<Float> GROUPS_OF_2 = groupsOf(1);
  private static final VectorShuffle<Float> GROUPS_OF_4 = groupsOf(2);
  private static final VectorShuffle<Float> GROUPS_OF_8 = groupsOf(3);

  /** After so many states' worth of rows the best way does not depend on where it began. */
  private static final int APPROACH_STATES = 8;

  private static final int MAX_APPROACH_ROWS = 48;

  /** Where all ways begin; not zero, for symbols in its lowest bits would be denormal. */
  private static final float START = 0x1p-10f;

  /** The cost of a state that the string cannot be in; real costs are far smaller. */
  private static final float UNREACHABLE = 1e30f;

  private final int bits;
  private final int symbolCount;
  private final int symbolMask;
  private final int groups;
  private final int approachRows;

  private final float[] code;

  /** The costs of the groups before each row of a way; room for a vector behind the last. */
  private final float[][] costs;

  private final int[] approach;

  /**
   * @param stateBits at least four more than the encoding's bits, at most {@link
   *     TrellisCode#maxStateBits}; two more take four times as long
   */
  TrellisSearch(Encoding encoding, int stateBits) {
    bits = encoding.codeBits();
    if (stateBits < bits + 4 || stateBits > TrellisCode.maxStateBits(encoding)) {
      throw new IllegalArgumentException(
          encoding.jsonName()
              + ": expected "
              + (bits + 4)
              + " to "
              + TrellisCode.maxStateBits(encoding)
              + " state bits, found "
              + stateBits);
    }
    symbolCount = 1 << bits;
    symbolMask = symbolCount - 1;
    groups = 1 << (stateBits - bits);
    approachRows = Math.min(APPROACH_STATES * Math.ceilDiv(stateBits, bits), MAX_APPROACH_ROWS);
    code = new float[1 << stateBits];
    for (int state = 0; state < code.length; state++) {
      code[state] = TrellisCode.value(state, TrellisCode.multiplier(encoding));
    }
    costs = new float[Math.max(ROWS, 2 * approachRows) + 1][groups + FLOATS.length()];
    approach = new int[2 * approachRows];
  }

  private static VectorShuffle<Float> groupsOf(int bits) {
    return VectorShuffle.fromOp(FLOATS, lane -> lane >> bits);
  }

  /** The code's value of a state. */
  float value(int state) {
    return code[state];
  }

  /**
   * Finds a string.
   *
   * @param targets of the rows, in units of the code
   * @param weights of the rows' squared errors, at most 1
   * @param states receives the state of each row; its newest bits are the row's symbol
   */
  void search(float[] targets, float[] weights, int[] states) {
    Arrays.fill(costs[0], 0, groups, START);
    walk(targets, weights, ROWS - approachRows, approach.length);
    traceBack(cheapestGroup(costs[approach.length]), approach, approach.length);
    int closing = approach[approachRows - 1] & (groups - 1);

    Arrays.fill(costs[0], 0, groups, UNREACHABLE);
    costs[0][closing] = START;
    walk(targets, weights, 0, ROWS);
    traceBack(closing, states, ROWS);
  }

  private void walk(float[] targets, float[] weights, int firstRow, int rows) {
    for (int i = 0; i < rows; i++) {
      int row = (firstRow + i) % ROWS;
      step(costs[i], costs[i + 1], targets[row], weights[row]);
    }
  }

  /** Takes the costs of the groups before a row to those after it. */
  private void step(float[] before, float[] after, float target, float weight) {
    FloatVector targets = FloatVector.broadcast(FLOATS, target);
    FloatVector weights = FloatVector.broadcast(FLOATS, weight);
    for (int group = 0; group < groups; group += FLOATS.length()) {
      IntVector least = IntVector.broadcast(INTS, Integer.MAX_VALUE);
      for (int symbol = 0; symbol < symbolCount; symbol++) {
        int state = symbol * groups + group;
        int reachedGroup = state >> bits;
        FloatVector reached =
            switch (bits) {
              case 1 -> FloatVector.fromArray(FLOATS, before, reachedGroup).rearrange(GROUPS_OF_2);
              case 2 -> FloatVector.fromArray(FLOATS, before, reachedGroup).rearrange(GROUPS_OF_4);
              case 3 -> FloatVector.fromArray(FLOATS, before, reachedGroup).rearrange(GROUPS_OF_8);
              default -> FloatVector.broadcast(FLOATS, before[reachedGroup]);
            };
        FloatVector error = targets.sub(FloatVector.fromArray(FLOATS, code, state));
        FloatVector cost = error.mul(error).fma(weights, reached);
        // Costs are positive, so they compare as integers.
        least = least.min(cost.reinterpretAsInts().and(~symbolMask).or(symbol));
      }
      least.reinterpretAsFloats().intoArray(after, group);
    }
  }

  /** The first of equals. */
  private int cheapestGroup(float[] of) {
    int cheapest = 0;
    for (int group = 1; group < groups; group++) {
      if (of[group] < of[cheapest]) {
        cheapest = group;
      }
    }
    return cheapest;
  }

  /** Follows the best way back from the group that its last state belongs to. */
  private void traceBack(int lastGroup, int[] states, int rows) {
    int group = lastGroup;
    for (int i = rows - 1; i >= 0; i--) {
      int oldest = Float.floatToRawIntBits(costs[i + 1][group]) & symbolMask;
      states[i] = oldest * groups + group;
      group = states[i] >> bits;
    }
  }
}
