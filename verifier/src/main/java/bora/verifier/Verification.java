package bora.verifier;

import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.util.ArrayList;
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
  /** Experts are replaced on so many positions, the sequence that reaches it included. */
  private static final int MAX_REPLACED_POSITIONS = 512;

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
  private final Optional<ExpertReplacement> replacement;
  private final List<ScoredSequence> replaced = new ArrayList<>();
  private Optional<GreedyDivergence> greedyDivergence = Optional.empty();
  private boolean layersKnown;
  private int replacedPositions;
  private int decodeBudget;
  private long nonFinite;

  private Verification(
      Candidate candidate,
      Gate gate,
      VerificationOptions options,
      Optional<ExpertReplacement> replacement,
      ProgressListener progress) {
    ModelConfig config = candidate.config();
    this.candidate = candidate;
    this.gate = gate;
    this.replacement = replacement;
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
    return run(candidate, reference, gate, options, Optional.empty(), progress);
  }

  /**
   * Verifies, and tells what each expert costs.
   *
   * @param replacement of the candidate's experts, on the reference's first sequences; empty to
   *     leave them
   * @throws MismatchedArtifactException when experts are to be replaced and the reference has no
   *     logits, too
   */
  public static VerificationReport run(
      Candidate candidate,
      Reference reference,
      Gate gate,
      VerificationOptions options,
      Optional<ExpertReplacement> replacement,
      ProgressListener progress)
      throws IOException {
    reference.requireModel(candidate.config());
    Verification verification = new Verification(candidate, gate, options, replacement, progress);
    switch (reference) {
      case OutputReference outputs -> verification.compareOutputs(outputs);
      case ReferenceBundle bundle -> verification.compareBundle(bundle);
      case RecordedWindows recorded -> {
        if (replacement.isPresent()) {
          throw recorded.withoutLogits("to tell what experts cost");
        }
        verification.compareWindows(recorded);
      }
    }
    return verification.report(reference);
  }

  private void compareOutputs(OutputReference reference) throws IOException {
    reference.forEachSequence(
        (outputs, scored) -> compareSequence(new FullSequence(outputs, scored)));
    finish(reference.greedy());
  }

  private void compareBundle(ReferenceBundle reference) throws IOException {
    for (BundledSequence sequence : reference.sequences()) {
      compareSequence(sequence);
    }
    finish(reference.greedy());
  }

  private void compareSequence(ScoredSequence reference) throws IOException {
    Set<LayerOutput> wanted = routerIfAny();
    if (reference.knowsHidden()) {
      wanted.add(LayerOutput.HIDDEN);
    }
    NearTies.Settled settled = nearTies.prefill(reference.routed(), wanted);
    SequenceOutputs prefill = heard(settled.outputs());
    layersKnown |= reference.knowsHidden() || !reference.routed().routerLogits().isEmpty();
    List<PositionComparison> compared = reference.compare(prefill);
    logits.add(reference, compared);
    reference.compareLayers(prefill, layers);
    forced.add(reference, prefill, settled.routing(), compared).ifPresent(this::heard);
    compareDecode(prefill, settled.routing());
    if (replacement.isPresent() && replacedPositions < MAX_REPLACED_POSITIONS) {
      replacedPositions += reference.tokens().length;
      replaced.add(reference);
    }
  }

  private void finish(Optional<GreedyContinuation> greedy) throws IOException {
    if (greedy.isPresent()) {
      compareGreedy(greedy.get());
    }
    logits.putMetrics(metrics);
    forced.putMetrics(metrics);
    layers.putMetrics(metrics);
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
    if (mismatch >= 0) {
      greedyDivergence = Optional.of(explain(greedy, mismatch, found[mismatch]));
    }
  }

  /** Runs up to where a continuation parts from the recorded one, for the margin. */
  private GreedyDivergence explain(GreedyContinuation greedy, int step, int found)
      throws IOException {
    int[] tokens = Arrays.copyOf(greedy.prompt(), greedy.prompt().length + step);
    System.arraycopy(greedy.tokens(), 0, tokens, greedy.prompt().length, step);
    PositionValues values =
        heard(candidate.prefill(tokens, EnumSet.noneOf(LayerOutput.class), ImposedRouting.NONE))
            .logits();
    int expected = greedy.tokens()[step];
    int last = tokens.length - 1;
    double margin = (double) values.at(last, found) - values.at(last, expected);
    return GreedyDivergence.of(step, expected, found, margin, logits.rmsError());
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

  private VerificationReport report(Reference reference) throws IOException {
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
        greedyDivergence,
        replacement.isPresent() ? replacement.get().run(replaced) : List.of(),
        scoredPositions,
        decode.positions(),
        candidate.provenance(),
        reference.provenance(),
        Optional.empty(),
        Optional.empty());
  }
}
