package bora.verifier;

import java.util.List;

/**
 * What a model computes for one sequence, at every position.
 *
 * @param tokens the sequence
 * @param logits [positions, vocabulary]
 * @param hidden {@code layerCount + 1} states of [positions, hidden]: index 0 the embedding, index
 *     i the output of layer i - 1, and the last one after the output norm (as transformers counts
 *     them); empty where not given
 * @param routerLogits of every layer [positions, experts], before the softmax; empty where not
 *     given
 */
public record SequenceOutputs(
    int[] tokens,
    PositionValues logits,
    List<PositionValues> hidden,
    List<PositionValues> routerLogits) {
  public SequenceOutputs {
    hidden = List.copyOf(hidden);
    routerLogits = List.copyOf(routerLogits);
  }
}
