package bora.verifier;

import java.util.List;
import java.util.Map;

/** The metrics of logits, gathered sequence by sequence; see {@code docs/verification.md}. */
final class LogitComparison {
  private long logitCount;
  private double squaredDifference;
  private double squaredReference;
  private double maxAbs;
  private double cosineSum;
  private double reverseKlSum;
  private int top1Agreed;
  private double top5Shares;
  private double nllSum;
  private double referenceNllSum;
  private double nllMaxAbs;
  private int predictions;
  private final Divergences divergences = new Divergences();

  /** Adds what was compared at a sequence's scored positions. */
  void add(ScoredSequence sequence, List<PositionComparison> compared) {
    int[] positions = sequence.positions();
    for (int i = 0; i < positions.length; i++) {
      add(compared.get(i), positions[i], positions[i] + 1 < sequence.tokens().length);
    }
  }

  private void add(PositionComparison compared, int position, boolean predicts) {
    logitCount += compared.logitCount();
    squaredDifference += compared.squaredDifference();
    squaredReference += compared.squaredReference();
    maxAbs = Math.max(maxAbs, compared.maxAbs());
    cosineSum += compared.cosine();
    divergences.add(position, compared.divergence());
    reverseKlSum += compared.reverseDivergence();
    top1Agreed += compared.sameTop() ? 1 : 0;
    top5Shares += compared.sharedTop();
    if (predicts) {
      referenceNllSum += compared.referenceNll();
      nllSum += compared.nll();
      nllMaxAbs = Math.max(nllMaxAbs, Math.abs(compared.nll() - compared.referenceNll()));
      predictions++;
    }
  }

  int positions() {
    return divergences.count();
  }

  /** Root of the mean squared error of a logit; 0 where none was compared. */
  double rmsError() {
    return logitCount == 0 ? 0 : Math.sqrt(squaredDifference / logitCount);
  }

  DivergenceProfile profile() {
    return divergences.profile();
  }

  void putMetrics(Map<Metric, Double> metrics) {
    int positions = positions();
    metrics.put(Metric.LOGITS_NMSE, squaredDifference / squaredReference);
    metrics.put(Metric.LOGITS_MAX_ABS, maxAbs);
    metrics.put(Metric.LOGITS_COSINE, cosineSum / positions);
    metrics.put(Metric.KLD_MEAN, divergences.mean());
    metrics.put(Metric.KLD_P99, divergences.percentile99());
    metrics.put(Metric.KLD_REVERSE_MEAN, reverseKlSum / positions);
    metrics.put(Metric.TOP1_AGREEMENT, (double) top1Agreed / positions);
    metrics.put(Metric.TOP5_AGREEMENT, top5Shares / positions);
    if (predictions > 0) {
      metrics.put(Metric.PERPLEXITY, Math.exp(nllSum / predictions));
      metrics.put(Metric.PERPLEXITY_REFERENCE, Math.exp(referenceNllSum / predictions));
      metrics.put(Metric.NLL_MAX_ABS, nllMaxAbs);
    }
  }
}
