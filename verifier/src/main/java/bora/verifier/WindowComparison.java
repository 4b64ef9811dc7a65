package bora.verifier;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The metrics of windows of which only each token's likelihood and the best token were recorded.
 */
final class WindowComparison {
  private double nllMaxAbs;
  private double nllSum;
  private double referenceNllSum;
  private int top1Agreed;
  private int positions;

  /**
   * What the candidate thinks of the token after a position.
   *
   * @param nll its negative log-likelihood
   * @param top the token it thinks most probable
   */
  private record Prediction(double nll, int top) {
    static Prediction of(PositionValues logits, int position, int next) {
      double nll = LogSoftmax.logSum(logits, position) - logits.at(position, next);
      return new Prediction(nll, Ranking.largest(logits, position, 1)[0]);
    }
  }

  /** Positions are looked at by all processors, and added up in their order. */
  void add(RecordedWindows reference, int window, SequenceOutputs candidate) {
    int[] tokens = reference.window(window);
    List<Prediction> predictions =
        IntStream.range(0, tokens.length - 1)
            .parallel()
            .mapToObj(position -> Prediction.of(candidate.logits(), position, tokens[position + 1]))
            .toList();
    PositionRange scored = WindowsProtocol.scored(tokens.length);
    for (int position = 0; position < predictions.size(); position++) {
      Prediction found = predictions.get(position);
      double expected = reference.nll(window, position);
      nllMaxAbs = Math.max(nllMaxAbs, Math.abs(found.nll() - expected));
      if (scored.contains(position)) {
        nllSum += found.nll();
        referenceNllSum += expected;
        top1Agreed += found.top() == reference.top1(window, position) ? 1 : 0;
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
