package bora.verifier;

/** The largest of some values; of equal ones the lower index ranks first. */
final class Ranking {
  private Ranking() {}

  /** Indices of the {@code count} largest values, the largest first. */
  static int[] largest(double[] values, int count) {
    int[] best = new int[count];
    int filled = 0;
    for (int i = 0; i < values.length; i++) {
      int place = filled;
      while (place > 0 && values[i] > values[best[place - 1]]) {
        place--;
      }
      if (place < count) {
        filled = Math.min(filled + 1, count);
        System.arraycopy(best, place, best, place + 1, filled - 1 - place);
        best[place] = i;
      }
    }
    return best;
  }

  /** The same of one position's values. */
  static int[] largest(PositionValues values, int position, int count) {
    double[] row = new double[values.width()];
    for (int i = 0; i < row.length; i++) {
      row[i] = values.at(position, i);
    }
    return largest(row, count);
  }
}
