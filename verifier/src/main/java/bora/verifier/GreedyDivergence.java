package bora.verifier;

/**
 * Where a greedy continuation parts from the recorded one.
 *
 * @param step how many tokens agreed before
 * @param expected the recorded token
 * @param found the candidate's
 * @param margin the candidate's logit of its own token above that of the recorded one
 * @param tolerance what two logits of this candidate were seen to shift against each other: twice
 *     the largest error of its logits; 0 where none were compared
 */
public record GreedyDivergence(int step, int expected, int found, double margin, double tolerance) {
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
        + String.format(java.util.Locale.ROOT, "%.3g", margin)
        + (isNearTie() ? ": a near tie, within the " : ": an error, beyond the ")
        + String.format(java.util.Locale.ROOT, "%.3g", tolerance)
        + " that its logits are off elsewhere";
  }
}
