package bora.verifier;

import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;

/** The metrics of logits, gathered position by position; see {@code docs/verification.md}. */
final class LogitComparison {
  private static final int TOP = 5;

  private double squaredDifference;
  private double squaredReference;
  private double maxAbs;
  private double cosineSum;
  private double klSum;
  private double reverseKlSum;
  private int top1Agreed;
  private double top5Shares;
  private double nllSum;
  private double referenceNllSum;
  private double nllMaxAbs;
  private int predictions;
  private double[] divergences = new double[64];
  private int positions;

  void add(SequenceOutputs reference, SequenceOutputs candidate, PositionRange scored) {
    int[] tokens = reference.tokens();
    for (int position = scored.first(); position < scored.end(); position++) {
      double[] expected = row(reference.logits(), position);
      double[] found = row(candidate.logits(), position);
      addLogits(expected, found);
      double[] expectedLog = LogSoftmax.of(expected);
      double[] foundLog = LogSoftmax.of(found);
      addDivergence(expectedLog, foundLog);
      if (position + 1 < tokens.length) {
        addPrediction(-expectedLog[tokens[position + 1]], -foundLog[tokens[position + 1]]);
      }
      positions++;
    }
  }

  int positions() {
    return positions;
  }

  private void addLogits(double[] expected, double[] found) {
    double dot = 0;
    double expectedSquares = 0;
    double foundSquares = 0;
    for (int i = 0; i < expected.length; i++) {
      double difference = found[i] - expected[i];
      squaredDifference += difference * difference;
      maxAbs = Math.max(maxAbs, Math.abs(difference));
      dot += expected[i] * found[i];
      expectedSquares += expected[i] * expected[i];
      foundSquares += found[i] * found[i];
    }
    squaredReference += expectedSquares;
    cosineSum += Cosine.of(dot, expectedSquares, foundSquares);
    int top = Math.min(TOP, expected.length);
    int[] expectedTop = Ranking.largest(expected, top);
    int[] foundTop = Ranking.largest(found, top);
    top1Agreed += expectedTop[0] == foundTop[0] ? 1 : 0;
    long shared =
        Arrays.stream(expectedTop)
            .filter(token -> IntStream.of(foundTop).anyMatch(other -> other == token))
            .count();
    top5Shares += (double) shared / top;
  }

  private void addDivergence(double[] expectedLog, double[] foundLog) {
    double divergence = 0;
    double reverse = 0;
    for (int i = 0; i < expectedLog.length; i++) {
      double difference = expectedLog[i] - foundLog[i];
      divergence += Math.exp(expectedLog[i]) * difference;
      reverse -= Math.exp(foundLog[i]) * difference;
    }
    klSum += divergence;
    reverseKlSum += reverse;
    if (positions == divergences.length) {
      divergences = Arrays.copyOf(divergences, 2 * positions);
    }
    divergences[positions] = divergence;
  }

  private void addPrediction(double expectedNll, double foundNll) {
    referenceNllSum += expectedNll;
    nllSum += foundNll;
    nllMaxAbs = Math.max(nllMaxAbs, Math.abs(foundNll - expectedNll));
    predictions++;
  }

  void putMetrics(Map<Metric, Double> metrics) {
    metrics.put(Metric.LOGITS_NMSE, squaredDifference / squaredReference);
    metrics.put(Metric.LOGITS_MAX_ABS, maxAbs);
    metrics.put(Metric.LOGITS_COSINE, cosineSum / positions);
    metrics.put(Metric.KLD_MEAN, klSum / positions);
    metrics.put(Metric.KLD_P99, percentile99());
    metrics.put(Metric.KLD_REVERSE_MEAN, reverseKlSum / positions);
    metrics.put(Metric.TOP1_AGREEMENT, (double) top1Agreed / positions);
    metrics.put(Metric.TOP5_AGREEMENT, top5Shares / positions);
    if (predictions > 0) {
      metrics.put(Metric.PERPLEXITY, Math.exp(nllSum / predictions));
      metrics.put(Metric.PERPLEXITY_REFERENCE, Math.exp(referenceNllSum / predictions));
      metrics.put(Metric.NLL_MAX_ABS, nllMaxAbs);
    }
  }

  /** The smallest value that at least 99 % of the positions do not exceed. */
  private double percentile99() {
    double[] sorted = Arrays.copyOf(divergences, positions);
    Arrays.sort(sorted);
    return sorted[Math.ceilDiv(99 * positions, 100) - 1];
  }

  private static double[] row(PositionValues values, int position) {
    double[] row = new double[values.width()];
    for (int i = 0; i < row.length; i++) {
      row[i] = values.at(position, i);
    }
    return row;
  }
}
