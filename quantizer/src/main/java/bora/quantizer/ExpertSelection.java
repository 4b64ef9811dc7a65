package bora.quantizer;

import java.util.Arrays;
import java.util.Locale;

/** Which experts of a layer a rule takes, judged by their sensitivities. */
sealed interface ExpertSelection {
  /**
   * @param scores the sensitivity of every expert of the layer
   */
  boolean selects(double[] scores, int expert);

  /** For people. */
  String describe(double[] scores, int expert);

  /** The most sensitive experts, rounded up to whole ones; the lower index goes first in a tie. */
  record MostSensitive(int percent) implements ExpertSelection {
    @Override
    public boolean selects(double[] scores, int expert) {
      return rank(scores, expert) < Math.ceilDiv(percent * scores.length, 100);
    }

    @Override
    public String describe(double[] scores, int expert) {
      return "sensitivity rank " + (rank(scores, expert) + 1) + " of " + scores.length;
    }

    private static int rank(double[] scores, int expert) {
      int rank = 0;
      for (int other = 0; other < scores.length; other++) {
        int order = Double.compare(scores[other], scores[expert]);
        if (order > 0 || (order == 0 && other < expert)) {
          rank++;
        }
      }
      return rank;
    }
  }

  /** The experts whose sensitivity is more than so many times the layer's median. */
  record AboveMedian(double times) implements ExpertSelection {
    @Override
    public boolean selects(double[] scores, int expert) {
      return scores[expert] > times * median(scores);
    }

    @Override
    public String describe(double[] scores, int expert) {
      return String.format(
          Locale.ROOT, "sensitivity %.1f times the median", scores[expert] / median(scores));
    }

    /** The lower of the two in the middle. */
    private static double median(double[] scores) {
      double[] sorted = scores.clone();
      Arrays.sort(sorted);
      return sorted[(sorted.length - 1) / 2];
    }
  }
}
