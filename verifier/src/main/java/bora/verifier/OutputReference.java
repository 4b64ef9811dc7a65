package bora.verifier;

import java.io.IOException;
import java.util.Optional;

/** A reference that knows the outputs of every position of its sequences. */
public sealed interface OutputReference extends Reference
    permits RecordedOutputs, ComputedReference {
  /** Hands over every sequence, in order, one at a time. */
  void forEachSequence(SequenceConsumer consumer) throws IOException;

  /** What the reference generated greedily, where known. */
  Optional<GreedyContinuation> greedy();

  /** Takes over one sequence. */
  @FunctionalInterface
  interface SequenceConsumer {
    /**
     * @param scored the positions that the metrics of logits are about
     */
    void accept(SequenceOutputs outputs, PositionRange scored) throws IOException;
  }
}
