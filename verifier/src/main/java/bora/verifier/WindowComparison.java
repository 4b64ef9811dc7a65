package bora.verifier;

import java.util.Map;

/**
 * The metrics of windows of which only each token's likelihood and the best token were recorded.
 */
final class WindowComparison {
  private double nllMaxAbs;
  private double nllSum;
  private double referenceNllSum;
  private int top1Agreed;
  private int positions;

  void add(RecordedWindows reference, int window, SequenceOutputs candidate) {
    int[] tokens = reference.window(window);
    PositionRange scored = WindowsProtocol.scored(tokens.length);
    for (int position = 0; position + 1 < tokens.length; position++) {
      double[] logits = new double[candidate.logits().width()];
      for (int i = 0; i < logits.length; i++) {
        logits[i] = candidate.logits().at(position, i);
      }
      double nll = -LogSoftmax.of(logits)[tokens[position + 1]];
      double expected = reference.nll(window, position);
      nllMaxAbs = Math.max(nllMaxAbs, Math.abs(nll - expected));
      if (scored.contains(position)) {
        nllSum += nll;
        referenceNllSum += expected;
        boolean agreed = Ranking.largest(logits, 1)[0] == reference.top1(window, position);
        top1Agreed += agreed ? 1 : 0;
        positions++;
      }
    }
  }

  int positions() {
    return positions;
  }

  void putMetrics(Map<Metric, Double> metrics) {
    metrics.put(Metric.NLL_MAX_ABS, nllMaxAbs);
    metrics.put(Metric.TOP1_AGREEMENT, (double) top1Agreed / positions);
    metrics.put(Metric.PERPLEXITY, Math.exp(nllSum / positions));
    metrics.put(Metric.PERPLEXITY_REFERENCE, Math.exp(referenceNllSum / positions));
  }
}
