package bora.verifier;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Runs a candidate so that rounding does not decide. Where the reference's router is torn between
 * two experts, a correct candidate may take the other one, and all its later outputs differ. Such
 * decisions are settled as the reference settled them and the sequence is run again; a flip that is
 * no near tie is the candidate's own and stays.
 *
 * @param margin the largest difference of router logits that is a near tie
 */
record NearTies(Candidate candidate, double margin) {
  /** A candidate's outputs and the decisions that were settled for it. */
  record Settled(SequenceOutputs outputs, ImposedRouting routing) {}

  Settled prefill(SequenceOutputs reference, Set<LayerOutput> wanted) throws IOException {
    ImposedRouting routing = ImposedRouting.NONE;
    while (true) {
      SequenceOutputs outputs = candidate.prefill(reference.tokens(), wanted, routing);
      Optional<Map<ImposedRouting.Decision, int[]>> ties = firstTies(reference, outputs, routing);
      if (ties.isEmpty()) {
        return new Settled(outputs, routing);
      }
      routing = routing.and(ties.get());
    }
  }

  /**
   * The near ties that fell differently in the first layer with unsettled flips. Empty when no flip
   * is unsettled, or when one there is no near tie: what follows then is no matter of rounding.
   */
  private Optional<Map<ImposedRouting.Decision, int[]>> firstTies(
      SequenceOutputs reference, SequenceOutputs outputs, ImposedRouting settled) {
    int expertsPerToken = candidate.config().expertsPerToken();
    for (int layer = 0; layer < reference.routerLogits().size(); layer++) {
      Map<ImposedRouting.Decision, int[]> ties = new HashMap<>();
      for (int position = 0; position < reference.tokens().length; position++) {
        RouterChoice expected =
            RouterChoice.of(reference.routerLogits().get(layer), position, expertsPerToken);
        RouterChoice found =
            RouterChoice.of(outputs.routerLogits().get(layer), position, expertsPerToken);
        if (expected.sameExperts(found) || settled.imposes(layer, position)) {
          continue;
        }
        if (!(expected.margin() <= margin)) {
          return Optional.empty();
        }
        ties.put(new ImposedRouting.Decision(layer, position), expected.experts());
      }
      if (!ties.isEmpty()) {
        return Optional.of(ties);
      }
    }
    return Optional.empty();
  }
}
