package bora.verifier;

import java.util.Arrays;

/**
 * Both logit vectors of one position, compared; {@code docs/verification.md} has the formulas.
 *
 * @param logitCount how many logits are known of both
 * @param squaredDifference sum of (c - r)^2
 * @param squaredReference sum of r^2
 * @param sharedTop how many of the reference's five most probable tokens are among the candidate's
 *     five, divided by five
 * @param nll of the token that follows, by the candidate; NaN where none does
 */
record PositionComparison(
    int logitCount,
    double squaredDifference,
    double squaredReference,
    double maxAbs,
    double cosine,
    double divergence,
    double reverseDivergence,
    boolean sameTop,
    double sharedTop,
    double nll,
    double referenceNll) {
  private static final int TOP = 5;

  /** What is left of a sum of a vocabulary's probabilities, made from float32 logits, is noise. */
  private static final double REST_ROUNDING = 1e-6;

  /**
   * @param next the token that follows; negative where none does
   */
  static PositionComparison of(
      PositionValues reference, PositionValues candidate, int position, int next) {
    float[] expected = reference.values();
    float[] found = candidate.values();
    int width = reference.width();
    double[] expectedShares = new double[width];
    double[] foundShares = new double[width];
    double expectedLogSum = LogSoftmax.logSum(reference, position, expectedShares);
    double foundLogSum = LogSoftmax.logSum(candidate, position, foundShares);
    double squaredDifference = 0;
    double expectedSquares = 0;
    double foundSquares = 0;
    double dot = 0;
    double maxAbs = 0;
    double divergence = 0;
    double reverse = 0;
    int offset = reference.offset(position);
    for (int i = 0; i < width; i++) {
      double right = expected[offset + i];
      double seen = found[offset + i];
      double difference = seen - right;
      squaredDifference += difference * difference;
      maxAbs = Math.max(maxAbs, Math.abs(difference));
      dot += right * seen;
      expectedSquares += right * right;
      foundSquares += seen * seen;
      double logRatio = foundLogSum - expectedLogSum - difference;
      divergence += expectedShares[i] * logRatio;
      reverse -= foundShares[i] * logRatio;
    }
    int top = Math.min(TOP, width);
    int[] expectedTop = Ranking.largest(reference, position, top);
    int[] foundTop = Ranking.largest(candidate, position, top);
    return new PositionComparison(
        width,
        squaredDifference,
        expectedSquares,
        maxAbs,
        Cosine.of(dot, expectedSquares, foundSquares),
        divergence,
        reverse,
        expectedTop[0] == foundTop[0],
        (double) shared(expectedTop, foundTop) / top,
        next < 0 ? Double.NaN : foundLogSum - found[offset + next],
        next < 0 ? Double.NaN : expectedLogSum - expected[offset + next]);
  }

  /**
   * The same when only the reference's largest logits are known. Logits are compared where they are
   * known; of the divergences all other tokens count as one, so that they are never too large.
   *
   * @param ids of the known logits, the largest first
   * @param logSumExp of all of the reference's logits
   */
  static PositionComparison ofTop(
      int[] ids,
      float[] logits,
      double logSumExp,
      double referenceNll,
      PositionValues candidate,
      int position,
      int next) {
    double foundLogSum = LogSoftmax.logSum(candidate, position);
    double squaredDifference = 0;
    double expectedSquares = 0;
    double foundSquares = 0;
    double dot = 0;
    double maxAbs = 0;
    double divergence = 0;
    double reverse = 0;
    double expectedRest = 1;
    double foundRest = 1;
    for (int i = 0; i < ids.length; i++) {
      double found = candidate.at(position, ids[i]);
      double difference = found - logits[i];
      squaredDifference += difference * difference;
      maxAbs = Math.max(maxAbs, Math.abs(difference));
      dot += logits[i] * found;
      expectedSquares += (double) logits[i] * logits[i];
      foundSquares += found * found;
      double expectedLog = logits[i] - logSumExp;
      double foundLog = found - foundLogSum;
      double logRatio = expectedLog - foundLog;
      divergence += Math.exp(expectedLog) * logRatio;
      reverse -= Math.exp(foundLog) * logRatio;
      expectedRest -= Math.exp(expectedLog);
      foundRest -= Math.exp(foundLog);
    }
    if (expectedRest > REST_ROUNDING && foundRest > REST_ROUNDING) {
      double logRatio = Math.log(expectedRest / foundRest);
      divergence += expectedRest * logRatio;
      reverse -= foundRest * logRatio;
    }
    int top = Math.min(TOP, ids.length);
    int[] foundTop = Ranking.largest(candidate, position, top);
    return new PositionComparison(
        ids.length,
        squaredDifference,
        expectedSquares,
        maxAbs,
        Cosine.of(dot, expectedSquares, foundSquares),
        divergence,
        reverse,
        ids[0] == foundTop[0],
        (double) shared(Arrays.copyOf(ids, top), foundTop) / top,
        foundLogSum - candidate.at(position, next),
        referenceNll);
  }

  private static long shared(int[] tokens, int[] others) {
    return Arrays.stream(tokens)
        .filter(token -> Arrays.stream(others).anyMatch(other -> other == token))
        .count();
  }
}
