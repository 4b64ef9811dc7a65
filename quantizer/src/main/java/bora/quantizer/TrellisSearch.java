package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Finds the circular string of symbols whose code values come close to 64 targets: the algorithm of
 * Viterbi over the states of a trellis code, twice. The first pass goes once and a half around the
 * column with both ends free; the bits that it has where the string closes, in the middle of its
 * way, are then fixed for the second, from the first row to the last.
 *
 * <p>Vectors are of neighbouring states and every lane is computed alone, in the same order at
 * every width, so the string does not depend on the machine.
 */
final class TrellisSearch {
  private static final int ROWS = TrellisPanel.ROWS;

  /** Rows that the first pass takes on either side of where the string closes. */
  private static final int APPROACH_ROWS = 48;

  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);

  /** The cost of a state that the string cannot be in; real costs are far smaller. */
  private static final float UNREACHABLE = 1e30f;

  private final int bits;
  private final int symbolCount;

  /** States that differ in their oldest symbol alone are one group; so many follow each other. */
  private final int groups;

  private final float[] code;
  private final float[] costs;
  private final float[] best;

  /** The oldest symbol of the best state of a group before each row of a way. */
  private final int[] oldest;

  private final VectorShuffle<Float> groupOfLane;
  private final int[] approach = new int[2 * APPROACH_ROWS];

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
    groups = 1 << (stateBits - bits);
    code = new float[1 << stateBits];
    for (int state = 0; state < code.length; state++) {
      code[state] = TrellisCode.value(state, TrellisCode.multiplier(encoding));
    }
    costs = new float[code.length];
    // A vector of groups is loaded for the last states too.
    best = new float[groups + FLOATS.length()];
    oldest = new int[2 * APPROACH_ROWS * groups];
    groupOfLane = VectorShuffle.fromOp(FLOATS, lane -> lane >> bits);
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
    Arrays.fill(best, 0, groups, 0);
    walk(targets, weights, ROWS - APPROACH_ROWS, 2 * APPROACH_ROWS);
    traceBack(cheapest(0, 1), approach, 2 * APPROACH_ROWS);
    int closing = approach[APPROACH_ROWS - 1] & (groups - 1);

    Arrays.fill(best, 0, groups, UNREACHABLE);
    best[closing] = 0;
    walk(targets, weights, 0, ROWS);
    traceBack(cheapest(closing, groups), states, ROWS);
  }

  /**
   * Takes the costs of the groups before the first row of a way to those of the states of its last.
   */
  private void walk(float[] targets, float[] weights, int firstRow, int rows) {
    for (int i = 0; i < rows; i++) {
      if (i > 0) {
        chooseOldest(i * groups);
      }
      int row = (firstRow + i) % ROWS;
      addErrors(targets[row], weights[row]);
    }
  }

  /** The best state of each group, which differ in their oldest symbol. */
  private void chooseOldest(int offset) {
    for (int group = 0; group < groups; group += FLOATS.length()) {
      FloatVector least = FloatVector.fromArray(FLOATS, costs, group);
      IntVector chosen = IntVector.zero(INTS);
      for (int symbol = 1; symbol < symbolCount; symbol++) {
        FloatVector cost = FloatVector.fromArray(FLOATS, costs, symbol * groups + group);
        VectorMask<Float> less = cost.compare(VectorOperators.LT, least);
        least = least.blend(cost, less);
        chosen = chosen.blend(symbol, less.cast(INTS));
      }
      least.intoArray(best, group);
      chosen.intoArray(oldest, offset + group);
    }
  }

  private void addErrors(float target, float weight) {
    FloatVector targets = FloatVector.broadcast(FLOATS, target);
    FloatVector weights = FloatVector.broadcast(FLOATS, weight);
    for (int state = 0; state < code.length; state += FLOATS.length()) {
      FloatVector before =
          FloatVector.fromArray(FLOATS, best, state >> bits).rearrange(groupOfLane);
      FloatVector error = targets.sub(FloatVector.fromArray(FLOATS, code, state));
      error.mul(error).fma(weights, before).intoArray(costs, state);
    }
  }

  /**
   * The cheapest of the states {@code first}, {@code first + step} and so on, the first of equals.
   */
  private int cheapest(int first, int step) {
    int cheapest = first;
    for (int state = first + step; state < costs.length; state += step) {
      if (costs[state] < costs[cheapest]) {
        cheapest = state;
      }
    }
    return cheapest;
  }

  private void traceBack(int lastState, int[] states, int rows) {
    int state = lastState;
    for (int i = rows - 1; i > 0; i--) {
      states[i] = state;
      int group = state >> bits;
      state = oldest[i * groups + group] * groups + group;
    }
    states[0] = state;
  }
}
