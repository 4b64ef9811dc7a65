package bora.verifier;

import java.util.List;
import java.util.Map;

/**
 * A candidate's decode against its own prefill. Where both route differently at a near tie their
 * outputs legitimately part; a sequence is compared up to there.
 */
final class DecodeComparison {
  private final int expertsPerToken;
  private final double nearTieMargin;
  private double maxAbs;
  private int positions;

  DecodeComparison(int expertsPerToken, double nearTieMargin) {
    this.expertsPerToken = expertsPerToken;
    this.nearTieMargin = nearTieMargin;
  }

  /**
   * @param decode of the same tokens or their beginning
   */
  void add(SequenceOutputs prefill, SequenceOutputs decode) {
    for (int position = 0; position < decode.logits().positions(); position++) {
      if (partAtNearTie(prefill.routerLogits(), decode.routerLogits(), position)) {
        return;
      }
      for (int i = 0; i < decode.logits().width(); i++) {
        double difference =
            (double) decode.logits().at(position, i) - prefill.logits().at(position, i);
        maxAbs = Math.max(maxAbs, Math.abs(difference));
      }
      positions++;
    }
  }

  /** Whether the first layer that routes this position differently does so at a near tie. */
  private boolean partAtNearTie(
      List<PositionValues> prefill, List<PositionValues> decode, int position) {
    for (int layer = 0; layer < prefill.size(); layer++) {
      RouterChoice expected = RouterChoice.of(prefill.get(layer), position, expertsPerToken);
      RouterChoice found = RouterChoice.of(decode.get(layer), position, expertsPerToken);
      if (!expected.sameExperts(found)) {
        return expected.margin() <= nearTieMargin;
      }
    }
    return false;
  }

  int positions() {
    return positions;
  }

  void putMetrics(Map<Metric, Double> metrics) {
    if (positions > 0) {
      metrics.put(Metric.DECODE_MAX_ABS_VS_PREFILL, maxAbs);
    }
  }
}
