package bora.verifier;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * What a verification found. Writers of formats take everything they show from here.
 *
 * @param gate its name
 * @param checks in the gate's order
 * @param metrics what was measured, in the order of {@link Metric}; absent ones are not in it
 * @param layers the embedding and all layers; empty when the reference knows no layers
 * @param fault the first layer beyond a limit
 * @param scoredPositions positions that the metrics of logits are about
 * @param decodedPositions positions compared between decode and prefill
 * @param candidate what was verified
 * @param reference what it was compared with
 */
public record VerificationReport(
    String gate,
    List<Check> checks,
    SequencedMap<Metric, Double> metrics,
    List<LayerResult> layers,
    Optional<Fault> fault,
    int scoredPositions,
    int decodedPositions,
    SequencedMap<String, String> candidate,
    SequencedMap<String, String> reference) {
  public VerificationReport {
    checks = List.copyOf(checks);
    layers = List.copyOf(layers);
    metrics = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(metrics));
    candidate = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(candidate));
    reference = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(reference));
  }

  /** One failed check fails the whole. */
  public Verdict verdict() {
    return Verdict.of(checks.stream().allMatch(check -> check.verdict() == Verdict.PASS));
  }
}
