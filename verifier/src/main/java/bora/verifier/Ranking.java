package bora.verifier;

import java.util.function.IntToDoubleFunction;

/** The largest of some values; of equal ones the lower index ranks first. */
final class Ranking {
  private Ranking() {}

  /** Indices of the {@code count} largest values, the largest first. */
  static int[] largest(double[] values, int count) {
    return largest(i -> values[i], values.length, count);
  }

  /** The same of one position's values. */
  static int[] largest(PositionValues values, int position, int count) {
    float[] all = values.values();
    int first = values.offset(position);
    return largest(i -> all[first + i], values.width(), count);
  }

  private static int[] largest(IntToDoubleFunction values, int width, int count) {
    int[] best = new int[count];
    double[] bestValues = new double[count];
    int filled = 0;
    for (int i = 0; i < width; i++) {
      double value = values.applyAsDouble(i);
      if (filled == count && !(value > bestValues[count - 1])) {
        continue;
      }
      int place = filled;
      while (place > 0 && value > bestValues[place - 1]) {
        place--;
      }
      if (place < count) {
        filled = Math.min(filled + 1, count);
        System.arraycopy(best, place, best, place + 1, filled - 1 - place);
        System.arraycopy(bestValues, place, bestValues, place + 1, filled - 1 - place);
        best[place] = i;
        bestValues[place] = value;
      }
    }
    return best;
  }
}
