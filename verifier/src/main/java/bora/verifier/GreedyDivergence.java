package bora.verifier;

import java.util.Locale;

/**
 * Where a greedy continuation parts from the recorded one.
 *
 * @param step how many tokens agreed before
 * @param expected the recorded token
 * @param found the candidate's
 * @param margin the candidate's logit of its own token above that of the recorded one
 * @param tolerance how far the errors that this candidate's logits have anyway may shift two of
 *     them against each other: {@link #DEVIATIONS} standard deviations; 0 where none were compared
 */
public record GreedyDivergence(int step, int expected, int found, double margin, double tolerance) {
  /** Beyond it, fewer than one normal draw in ten thousand lies. */
  static final double DEVIATIONS = 4;

  /**
   * @param rmsError of the candidate's logits, elsewhere; those of two tokens count as independent
   */
  static GreedyDivergence of(int step, int expected, int found, double margin, double rmsError) {
    return new GreedyDivergence(
        step, expected, found, margin, DEVIATIONS * Math.sqrt(2) * rmsError);
  }

  /** Whether the error that the logits have anyway explains it; else something else is wrong. */
  public boolean isNearTie() {
    return margin <= tolerance;
  }

  /** For people. */
  @Override
  public String toString() {
    return "after "
        + step
        + " tokens the pack goes on with "
        + found
        + " in place of "
        + expected
        + ", by a margin of "
        + String.format(Locale.ROOT, "%.3g", margin)
        + (isNearTie() ? ": a near tie, no more than the " : ": an error, more than the ")
        + String.format(Locale.ROOT, "%.3g", tolerance)
        + " that errors like those of its other logits explain";
  }
}
