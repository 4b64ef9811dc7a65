package bora.verifier;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * One sequence of a {@link ReferenceBundle}.
 *
 * @param tokens the sequence
 * @param positions the scored ones, ascending, each with a token after it
 * @param topIds of every scored position the tokens of the largest logits, the largest first
 * @param topLogits [scored positions, top] their logits
 * @param logSumExp [scored positions, 2]: the log of the sum of exp over the whole vocabulary is
 *     the sum of both columns
 * @param nll [scored positions, 1] negative log-likelihood of the token that follows
 * @param hiddenPositions the positions whose hidden states were kept, ascending
 * @param hidden of the embedding and every layer [hidden positions, hidden]; empty where not kept
 * @param routerLogits of every layer [all positions, experts]; empty where there are none
 */
record BundledSequence(
    int[] tokens,
    int[] positions,
    List<int[]> topIds,
    PositionValues topLogits,
    PositionValues logSumExp,
    PositionValues nll,
    int[] hiddenPositions,
    List<PositionValues> hidden,
    List<PositionValues> routerLogits)
    implements ScoredSequence {
  private static final PositionValues NONE = new PositionValues(1, new float[0]);

  @Override
  public SequenceOutputs routed() {
    return new SequenceOutputs(tokens, NONE, List.of(), routerLogits);
  }

  @Override
  public boolean knowsHidden() {
    return !hidden.isEmpty();
  }

  @Override
  public void compareLayers(SequenceOutputs candidate, LayerComparisons layers) {
    layers.add(routed(), candidate);
    if (knowsHidden()) {
      layers.add(sampled(), sampledOf(candidate));
    }
  }

  /** The hidden states that were kept, with the router logits of their positions. */
  private SequenceOutputs sampled() {
    return new SequenceOutputs(
        gather(tokens, hiddenPositions),
        NONE,
        hidden,
        routerLogits.stream().map(values -> gather(values, hiddenPositions)).toList());
  }

  /** A candidate's hidden states at the same positions. */
  private SequenceOutputs sampledOf(SequenceOutputs candidate) {
    return new SequenceOutputs(
        gather(tokens, hiddenPositions),
        NONE,
        candidate.hidden().stream().map(values -> gather(values, hiddenPositions)).toList(),
        List.of());
  }

  @Override
  public List<PositionComparison> compare(SequenceOutputs candidate) {
    return IntStream.range(0, positions.length)
        .parallel()
        .mapToObj(
            i ->
                PositionComparison.ofTop(
                    topIds.get(i),
                    Arrays.copyOfRange(
                        topLogits.values(), topLogits.offset(i), topLogits.offset(i + 1)),
                    (double) logSumExp.at(i, 0) + logSumExp.at(i, 1),
                    nll.at(i, 0),
                    candidate.logits(),
                    positions[i],
                    tokens[positions[i] + 1]))
        .toList();
  }

  static PositionValues gather(PositionValues values, int[] positions) {
    PositionValues gathered = PositionValues.ofPositions(positions.length, values.width());
    for (int i = 0; i < positions.length; i++) {
      System.arraycopy(
          values.values(),
          values.offset(positions[i]),
          gathered.values(),
          gathered.offset(i),
          values.width());
    }
    return gathered;
  }

  private static int[] gather(int[] values, int[] positions) {
    return Arrays.stream(positions).map(position -> values[position]).toArray();
  }
}
