package bora.verifier;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * What a verification found. Writers of formats take everything they show from here.
 *
 * @param gate its name
 * @param checks in the gate's order, those of other comparisons behind them
 * @param metrics what was measured, in the order of {@link Metric}; absent ones are not in it
 * @param layers the embedding and all layers; empty when the reference knows no layers
 * @param routerMargins router decisions by the reference's margin; empty without router logits
 * @param divergence how the KL divergences are spread; empty when the reference has no logits
 * @param fault the first layer beyond a limit
 * @param greedyDivergence where the greedy continuation parts from the recorded one; empty when
 *     there is none, or all tokens agree
 * @param experts what each expert costs, the costliest first; empty when not asked for
 * @param scoredPositions positions that the metrics of logits are about
 * @param decodedPositions positions compared between decode and prefill
 * @param candidate what was verified
 * @param reference what it was compared with
 * @param kernels the runtime held against the pack's own decoded weights; empty when not done
 * @param conversion the pack's weights held against the checkpoint's; empty when not done
 */
public record VerificationReport(
    String gate,
    List<Check> checks,
    SequencedMap<Metric, Double> metrics,
    List<LayerResult> layers,
    List<MarginBin> routerMargins,
    Optional<DivergenceProfile> divergence,
    Optional<Fault> fault,
    Optional<GreedyDivergence> greedyDivergence,
    List<ExpertShare> experts,
    int scoredPositions,
    int decodedPositions,
    SequencedMap<String, String> candidate,
    SequencedMap<String, String> reference,
    Optional<VerificationReport> kernels,
    Optional<ConversionResult> conversion) {
  public VerificationReport {
    checks = List.copyOf(checks);
    routerMargins = List.copyOf(routerMargins);
    layers = List.copyOf(layers);
    experts = List.copyOf(experts);
    metrics = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(metrics));
    candidate = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(candidate));
    reference = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(reference));
  }

  /** One failed check fails the whole. */
  public Verdict verdict() {
    return Verdict.of(checks.stream().allMatch(check -> check.verdict() == Verdict.PASS));
  }

  /** This report with the comparison of the runtime with the pack's own decoded weights. */
  public VerificationReport withKernels(VerificationReport found) {
    List<Check> all = new ArrayList<>(checks);
    found.checks.forEach(check -> all.add(check.within("kernels")));
    return with(all, metrics, Optional.of(found), conversion);
  }

  /** This report with the comparison of the pack's weights with the checkpoint's. */
  public VerificationReport withConversion(ConversionResult found) {
    List<Check> all = new ArrayList<>(checks);
    all.addAll(found.checks());
    SequencedMap<Metric, Double> more = new LinkedHashMap<>(metrics);
    more.putAll(found.metrics());
    return with(all, more, kernels, Optional.of(found));
  }

  private VerificationReport with(
      List<Check> otherChecks,
      SequencedMap<Metric, Double> otherMetrics,
      Optional<VerificationReport> otherKernels,
      Optional<ConversionResult> otherConversion) {
    return new VerificationReport(
        gate,
        otherChecks,
        otherMetrics,
        layers,
        routerMargins,
        divergence,
        fault,
        greedyDivergence,
        experts,
        scoredPositions,
        decodedPositions,
        candidate,
        reference,
        otherKernels,
        otherConversion);
  }
}
