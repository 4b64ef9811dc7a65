package bora.verifier;

import java.util.List;
import java.util.stream.IntStream;

/**
 * A sequence with all its logits.
 *
 * @param scored the positions that the metrics of logits are about
 */
record FullSequence(SequenceOutputs routed, PositionRange scored) implements ScoredSequence {
  @Override
  public int[] tokens() {
    return routed.tokens();
  }

  @Override
  public int[] positions() {
    return IntStream.range(scored.first(), scored.end()).toArray();
  }

  @Override
  public boolean knowsHidden() {
    return !routed.hidden().isEmpty();
  }

  @Override
  public List<PositionComparison> compare(SequenceOutputs candidate) {
    int[] tokens = tokens();
    return IntStream.range(scored.first(), scored.end())
        .parallel()
        .mapToObj(
            position ->
                PositionComparison.of(
                    routed.logits(),
                    candidate.logits(),
                    position,
                    position + 1 < tokens.length ? tokens[position + 1] : -1))
        .toList();
  }

  @Override
  public void compareLayers(SequenceOutputs candidate, LayerComparisons layers) {
    layers.add(routed, candidate);
  }
}
