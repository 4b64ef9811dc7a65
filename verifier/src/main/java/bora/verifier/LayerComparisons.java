package bora.verifier;

import bora.formats.model.ModelConfig;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/** The embedding and all layers of a model, compared; finds the first one at fault. */
final class LayerComparisons {
  private final ModelConfig config;
  private final Gate gate;

  /** Index i compares hidden state i: the embedding, then the layers. */
  private final List<LayerComparison> comparisons;

  LayerComparisons(ModelConfig config, Gate gate, double nearTieMargin) {
    this.config = config;
    this.gate = gate;
    double positionLimit = gate.bound(Metric.HIDDEN_COSINE_MIN).orElse(Double.NaN);
    comparisons =
        IntStream.range(LayerResult.EMBEDDING, config.layerCount())
            .mapToObj(
                layer ->
                    new LayerComparison(
                        layer,
                        config.expertCount(),
                        config.expertsPerToken(),
                        positionLimit,
                        nearTieMargin))
            .toList();
  }

  void add(SequenceOutputs reference, SequenceOutputs candidate) {
    List<PositionValues> routing = reference.routerLogits();
    for (int layer = 0; layer < routing.size(); layer++) {
      comparisons
          .get(layer + 1)
          .addRouting(routing.get(layer), candidate.routerLogits().get(layer));
    }
    for (int index = 0; index < reference.hidden().size(); index++) {
      comparisons
          .get(index)
          .addHidden(
              reference.hidden().get(index),
              candidate.hidden().get(index),
              index == 0 || routing.isEmpty() ? null : routing.get(index - 1));
    }
  }

  List<LayerResult> results() {
    return comparisons.stream().map(LayerComparison::result).toList();
  }

  void putMetrics(Map<Metric, Double> metrics) {
    List<LayerResult> results = results();
    long decisions = 0;
    long flips = 0;
    long beyondMargin = 0;
    double cosineMin = Double.POSITIVE_INFINITY;
    for (LayerResult result : results) {
      decisions += result.routerDecisions().orElse(0);
      flips += result.routerFlips().orElse(0);
      beyondMargin += result.routerFlipsBeyondMargin().orElse(0);
      cosineMin = Math.min(cosineMin, result.hiddenCosine().orElse(cosineMin));
    }
    if (decisions > 0) {
      metrics.put(Metric.ROUTER_AGREEMENT, 1 - (double) flips / decisions);
      metrics.put(Metric.ROUTER_FLIPS, (double) flips);
      metrics.put(Metric.ROUTER_FLIPS_BEYOND_MARGIN, (double) beyondMargin);
    }
    if (results.getFirst().hiddenCosine().isPresent()) {
      metrics.put(Metric.HIDDEN_COSINE_MIN, cosineMin);
    }
  }

  /** The first layer beyond the gate's limits, with the experts that explain it. */
  Optional<Fault> firstFault() {
    return comparisons.stream().filter(this::isBeyondLimits).findFirst().map(this::fault);
  }

  private boolean isBeyondLimits(LayerComparison comparison) {
    LayerResult result = comparison.result();
    boolean hiddenGood =
        result.hiddenCosine().isEmpty()
            || gate.allows(Metric.HIDDEN_COSINE_MIN, result.hiddenCosine().getAsDouble());
    boolean routingGood =
        result.routerDecisions().isEmpty()
            || (gate.allows(
                    Metric.ROUTER_FLIPS_BEYOND_MARGIN, result.routerFlipsBeyondMargin().getAsLong())
                && gate.allows(Metric.ROUTER_FLIPS, result.routerFlips().getAsLong())
                && gate.allows(
                    Metric.ROUTER_AGREEMENT,
                    1
                        - (double) result.routerFlips().getAsLong()
                            / result.routerDecisions().getAsLong()));
    return !hiddenGood || !routingGood;
  }

  private Fault fault(LayerComparison comparison) {
    int layer = comparison.result().layer();
    return new Fault(layer, layer == config.layerCount() - 1, comparison.suspects());
  }
}
