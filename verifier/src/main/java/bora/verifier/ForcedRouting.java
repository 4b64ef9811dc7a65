package bora.verifier;

import java.io.IOException;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Tells what a candidate's routers lose from what its weights lose: sequences in which it took
 * other experts than the reference are run again under the reference's choices. A sequence without
 * flips would come out the same and is not run.
 */
final class ForcedRouting {
  private final Candidate candidate;
  private final Divergences own = new Divergences();
  private final Divergences imposed = new Divergences();
  private final LayerComparisons layers;
  private int positionsLeft;

  ForcedRouting(Candidate candidate, VerificationOptions options) {
    this.candidate = candidate;
    this.positionsLeft = options.maxImposedPositions();
    this.layers = new LayerComparisons(candidate.config(), Gate.exact(), options.nearTieMargin());
  }

  /**
   * Takes a sequence, which is run again where it has flips, until no positions are left. Then no
   * further sequence is taken: those without flips alone would make the flips look harmless.
   *
   * @param outputs what the candidate made of it by its own choices
   * @param settled choices that it followed already
   * @param compared how that compares, at the scored positions
   * @return what it made of it by the reference's choices; empty when it was not run
   */
  Optional<SequenceOutputs> add(
      ScoredSequence sequence,
      SequenceOutputs outputs,
      ImposedRouting settled,
      List<PositionComparison> compared)
      throws IOException {
    SequenceOutputs reference = sequence.routed();
    if (positionsLeft <= 0 || reference.routerLogits().isEmpty()) {
      return Optional.empty();
    }
    addAll(own, sequence, compared);
    if (!hasFlips(reference, outputs, settled)) {
      addAll(imposed, sequence, compared);
      sequence.compareLayers(outputs, layers);
      return Optional.empty();
    }
    positionsLeft -= reference.tokens().length;
    Set<LayerOutput> wanted =
        sequence.knowsHidden() ? EnumSet.of(LayerOutput.HIDDEN) : EnumSet.noneOf(LayerOutput.class);
    ImposedRouting choices = ImposedRouting.of(reference, candidate.config().expertsPerToken());
    SequenceOutputs forced = candidate.prefill(reference.tokens(), wanted, choices);
    addAll(imposed, sequence, sequence.compare(forced));
    sequence.compareLayers(forced, layers);
    return Optional.of(forced);
  }

  private static void addAll(
      Divergences divergences, ScoredSequence sequence, List<PositionComparison> compared) {
    int[] positions = sequence.positions();
    for (int i = 0; i < positions.length; i++) {
      divergences.add(positions[i], compared.get(i).divergence());
    }
  }

  private boolean hasFlips(
      SequenceOutputs reference, SequenceOutputs outputs, ImposedRouting settled) {
    int expertsPerToken = candidate.config().expertsPerToken();
    for (int layer = 0; layer < reference.routerLogits().size(); layer++) {
      PositionValues expected = reference.routerLogits().get(layer);
      PositionValues found = outputs.routerLogits().get(layer);
      for (int position = 0; position < expected.positions(); position++) {
        RouterChoice choice = RouterChoice.of(expected, position, expertsPerToken);
        if (!choice.sameExperts(RouterChoice.of(found, position, expertsPerToken))
            && !settled.imposes(layer, position)) {
          return true;
        }
      }
    }
    return false;
  }

  /** Adds to each layer's result what it is under the reference's choices. */
  List<LayerResult> refine(List<LayerResult> results) {
    List<LayerResult> refined = layers.results();
    return IntStream.range(0, results.size())
        .mapToObj(i -> results.get(i).withImposedRouting(refined.get(i)))
        .toList();
  }

  void putMetrics(Map<Metric, Double> metrics) {
    if (imposed.count() > 0) {
      metrics.put(Metric.KLD_MEAN_IMPOSED_ROUTING, imposed.mean());
      metrics.put(Metric.KLD_MEAN_FLIPS, own.mean() - imposed.mean());
    }
  }
}
