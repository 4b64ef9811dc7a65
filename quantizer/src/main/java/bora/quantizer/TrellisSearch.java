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
 * Finds the circular string of symbols whose values come close to 64 targets: the algorithm of
 * Viterbi over the states of a trellis code, twice. It goes from the last row to the first, for a
 * state is made of its row's symbol and those of the rows after it. The first pass goes some rows
 * towards where the string closes and as many beyond, with both ends free; the bits that it has
 * there are then fixed for the second, of all rows.
 *
 * <p>States that differ in their highest bits alone, the oldest symbol, form a group: the next
 * state is made from what they share. The cost of a group is that of its best state, with the
 * oldest symbol of that state in place of the lowest bits, so that one minimum chooses both; that
 * takes 2^-19 of the cost in the decision between states. Vectors are of neighbouring groups and
 * every lane is computed alone, in the same order at every width, so the string does not depend on
 * the machine.
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

  TrellisSearch(Encoding encoding) {
    bits = encoding.codeBits();
    symbolCount = 1 << bits;
    symbolMask = symbolCount - 1;
    groups = 1 << (TrellisCode.STATE_BITS - bits);
    approachRows =
        Math.min(APPROACH_STATES * Math.ceilDiv(TrellisCode.STATE_BITS, bits), MAX_APPROACH_ROWS);
    TrellisCode trellis = TrellisCode.of(encoding);
    code = new float[1 << TrellisCode.STATE_BITS];
    for (int state = 0; state < code.length; state++) {
      code[state] = trellis.value(state);
    }
    costs = new float[Math.max(ROWS, 2 * approachRows) + 1][groups + FLOATS.length()];
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
    for (int i = 0; i < 2 * approachRows; i++) {
      int row = Math.floorMod(approachRows - 1 - i, ROWS);
      step(costs[i], costs[i + 1], targets[row], weights[row]);
    }
    int group = cheapestGroup(costs[2 * approachRows]);
    for (int i = 2 * approachRows; i > approachRows; i--) {
      group = stateBefore(costs[i], group) >> bits;
    }

    Arrays.fill(costs[0], 0, groups, UNREACHABLE);
    costs[0][group] = START;
    for (int i = 0; i < ROWS; i++) {
      int row = ROWS - 1 - i;
      step(costs[i], costs[i + 1], targets[row], weights[row]);
    }
    for (int i = ROWS; i > 0; i--) {
      int state = stateBefore(costs[i], group);
      states[ROWS - i] = state;
      group = state >> bits;
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

  /** The state that the best way to a group ends with. */
  private int stateBefore(float[] reached, int group) {
    int oldest = Float.floatToRawIntBits(reached[group]) & symbolMask;
    return oldest * groups + group;
  }
}
