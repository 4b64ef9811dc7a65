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

  /** Layers are compared by all processors; each one's sums stay with one of them. */
  void add(SequenceOutputs reference, SequenceOutputs candidate) {
    IntStream.range(0, comparisons.size())
        .parallel()
        .forEach(index -> add(index, reference, candidate));
  }

  private void add(int index, SequenceOutputs reference, SequenceOutputs candidate) {
    LayerComparison comparison = comparisons.get(index);
    boolean routed = index > 0 && !reference.routerLogits().isEmpty();
    PositionValues routing = routed ? reference.routerLogits().get(index - 1) : null;
    if (routed && !candidate.routerLogits().isEmpty()) {
      comparison.addRouting(routing, candidate.routerLogits().get(index - 1));
    }
    if (!reference.hidden().isEmpty()) {
      comparison.addHidden(reference.hidden().get(index), candidate.hidden().get(index), routing);
    }
  }

  List<LayerResult> results() {
    return comparisons.stream().map(LayerComparison::result).toList();
  }

  /** Router decisions of all layers by the reference's margin; empty where there are none. */
  List<MarginBin> margins() {
    MarginHistogram all = new MarginHistogram();
    comparisons.forEach(comparison -> all.add(comparison.margins()));
    List<MarginBin> bins = all.bins();
    return bins.stream().allMatch(bin -> bin.decisions() == 0) ? List.of() : bins;
  }

  void putMetrics(Map<Metric, Double> metrics) {
    List<LayerResult> results = results();
    long decisions = 0;
    long flips = 0;
    long beyondMargin = 0;
    long orderKept = 0;
    double cosineMin = Double.POSITIVE_INFINITY;
    for (LayerResult result : results) {
      decisions += result.routerDecisions().orElse(0);
      flips += result.routerFlips().orElse(0);
      beyondMargin += result.routerFlipsBeyondMargin().orElse(0);
      orderKept += result.routerOrderKept().orElse(0);
      cosineMin = Math.min(cosineMin, result.hiddenCosine().orElse(cosineMin));
    }
    if (decisions > 0) {
      metrics.put(Metric.ROUTER_AGREEMENT, 1 - (double) flips / decisions);
      metrics.put(Metric.ROUTER_ORDER_AGREEMENT, (double) orderKept / decisions);
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
