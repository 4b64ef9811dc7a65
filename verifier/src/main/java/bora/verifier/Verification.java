package bora.verifier;

import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * One candidate compared with one reference, by prefill and by decode. Whoever opens a pack checks
 * its integrity first ({@link bora.formats.pack.PackReader#checkIntegrity}): damage that no
 * sequence here happens to touch is found there only.
 */
public final class Verification {
  private final Candidate candidate;
  private final Gate gate;
  private final ProgressListener progress;
  private final NearTies nearTies;
  private final LogitComparison logits = new LogitComparison();
  private final WindowComparison windows = new WindowComparison();
  private final LayerComparisons layers;
  private final ForcedRouting forced;
  private final DecodeComparison decode;
  private final Map<Metric, Double> metrics = new EnumMap<>(Metric.class);
  private boolean layersKnown;
  private int decodeBudget;
  private long nonFinite;

  private Verification(
      Candidate candidate, Gate gate, VerificationOptions options, ProgressListener progress) {
    ModelConfig config = candidate.config();
    this.candidate = candidate;
    this.gate = gate;
    this.progress = progress;
    this.nearTies = new NearTies(candidate, options.nearTieMargin());
    this.layers = new LayerComparisons(config, gate, options.nearTieMargin());
    this.forced = new ForcedRouting(candidate, options);
    this.decode = new DecodeComparison(config.expertsPerToken(), options.nearTieMargin());
    this.decodeBudget = options.maxDecodePositions();
  }

  /**
   * Verifies.
   *
   * @param progress hears of every position that the candidate has run, by either path
   * @throws MismatchedArtifactException when the reference is of another model
   * @throws bora.formats.CorruptFileException when the reference turns out to be malformed
   */
  public static VerificationReport run(
      Candidate candidate,
      Reference reference,
      Gate gate,
      VerificationOptions options,
      ProgressListener progress)
      throws IOException {
    reference.requireModel(candidate.config());
    Verification verification = new Verification(candidate, gate, options, progress);
    switch (reference) {
      case OutputReference outputs -> verification.compareOutputs(outputs);
      case ReferenceBundle bundle -> verification.compareBundle(bundle);
      case RecordedWindows recorded -> verification.compareWindows(recorded);
    }
    return verification.report(reference);
  }

  private void compareOutputs(OutputReference reference) throws IOException {
    reference.forEachSequence(this::compareSequence);
    Optional<GreedyContinuation> greedy = reference.greedy();
    if (greedy.isPresent()) {
      compareGreedy(greedy.get());
    }
    logits.putMetrics(metrics);
    forced.putMetrics(metrics);
    layers.putMetrics(metrics);
  }

  private void compareSequence(SequenceOutputs reference, PositionRange scored) throws IOException {
    Set<LayerOutput> wanted = routerIfAny();
    if (!reference.hidden().isEmpty()) {
      wanted.add(LayerOutput.HIDDEN);
    }
    NearTies.Settled settled = nearTies.prefill(reference, wanted);
    SequenceOutputs prefill = heard(settled.outputs());
    layersKnown |= !reference.hidden().isEmpty() || !reference.routerLogits().isEmpty();
    List<PositionComparison> compared = logits.add(reference, prefill, scored);
    layers.add(reference, prefill);
    forced.add(reference, prefill, settled.routing(), scored, compared).ifPresent(this::heard);
    compareDecode(prefill, settled.routing());
  }

  private void compareBundle(ReferenceBundle reference) throws IOException {
    for (BundledSequence sequence : reference.sequences()) {
      compareBundled(sequence);
    }
    if (reference.greedy().isPresent()) {
      compareGreedy(reference.greedy().get());
    }
    logits.putMetrics(metrics);
    layers.putMetrics(metrics);
  }

  private void compareBundled(BundledSequence sequence) throws IOException {
    Set<LayerOutput> wanted = routerIfAny();
    if (!sequence.hidden().isEmpty()) {
      wanted.add(LayerOutput.HIDDEN);
    }
    NearTies.Settled settled = nearTies.prefill(sequence.routed(), wanted);
    SequenceOutputs prefill = heard(settled.outputs());
    layersKnown |= !sequence.hidden().isEmpty() || !sequence.routerLogits().isEmpty();
    logits.add(sequence.compare(prefill), sequence.positions());
    layers.add(sequence.routed(), prefill);
    layers.add(sequence.sampled(), sequence.sampledOf(prefill));
    compareDecode(prefill, settled.routing());
  }

  private void compareWindows(RecordedWindows reference) throws IOException {
    for (int window = 0; window < reference.windowCount(); window++) {
      int[] tokens = reference.window(window);
      SequenceOutputs prefill =
          heard(candidate.prefill(tokens, routerIfAny(), ImposedRouting.NONE));
      windows.add(reference, window, prefill);
      compareDecode(prefill, ImposedRouting.NONE);
    }
    windows.putMetrics(metrics);
  }

  /** The candidate's router logits are always wanted: they tell near ties from errors. */
  private Set<LayerOutput> routerIfAny() {
    return candidate.config().hasRouter()
        ? EnumSet.of(LayerOutput.ROUTER_LOGITS)
        : EnumSet.noneOf(LayerOutput.class);
  }

  private void compareDecode(SequenceOutputs prefill, ImposedRouting routing) throws IOException {
    int positions = Math.min(decodeBudget, prefill.tokens().length);
    if (positions > 0) {
      decodeBudget -= positions;
      int[] tokens = Arrays.copyOf(prefill.tokens(), positions);
      decode.add(prefill, heard(candidate.decode(tokens, routerIfAny(), routing)));
    }
  }

  private void compareGreedy(GreedyContinuation greedy) throws IOException {
    int[] expected = greedy.tokens();
    int[] found = candidate.greedy(greedy.prompt(), expected.length);
    int mismatch = Arrays.mismatch(expected, found);
    metrics.put(Metric.GREEDY_MATCHED, (double) (mismatch < 0 ? expected.length : mismatch));
    metrics.put(Metric.GREEDY_LENGTH, (double) expected.length);
    progress.advance(greedy.prompt().length + expected.length);
  }

  private SequenceOutputs heard(SequenceOutputs outputs) {
    nonFinite += countNonFinite(outputs.logits());
    outputs.hidden().forEach(values -> nonFinite += countNonFinite(values));
    outputs.routerLogits().forEach(values -> nonFinite += countNonFinite(values));
    progress.advance(outputs.tokens().length);
    return outputs;
  }

  private static long countNonFinite(PositionValues values) {
    long count = 0;
    for (float value : values.values()) {
      count += Float.isFinite(value) ? 0 : 1;
    }
    return count;
  }

  private VerificationReport report(Reference reference) {
    decode.putMetrics(metrics);
    metrics.put(Metric.OUTPUTS_NON_FINITE, (double) nonFinite);
    int scoredPositions = Math.max(logits.positions(), windows.positions());
    Optional<Fault> fault = layersKnown ? layers.firstFault() : Optional.empty();
    List<Check> checks = Checks.of(gate, metrics, scoredPositions, fault);
    return new VerificationReport(
        gate.name(),
        checks,
        new LinkedHashMap<>(metrics),
        layersKnown ? forced.refine(layers.results()) : List.of(),
        layers.margins(),
        logits.positions() > 0 ? Optional.of(logits.profile()) : Optional.empty(),
        fault,
        scoredPositions,
        decode.positions(),
        candidate.provenance(),
        reference.provenance(),
        Optional.empty(),
        Optional.empty());
  }
}
