package bora.verifier;

import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.util.List;
import java.util.Set;

/** A model that computes what a candidate is compared with. */
public interface ReferenceSource {
  ModelConfig config();

  /** Which computation of which weights this is; goes into the report. */
  String description();

  /**
   * Computes all sequences as one batch and hands over the outputs of each, in order. Only one
   * sequence's logits exist at a time; what {@code wanted} names exists for the whole batch.
   *
   * @param progress hears of every tensor used
   */
  void outputs(
      List<int[]> sequences,
      Set<LayerOutput> wanted,
      ProgressListener progress,
      OutputsConsumer consumer)
      throws IOException;

  /** Takes over one sequence's outputs. */
  @FunctionalInterface
  interface OutputsConsumer {
    void accept(SequenceOutputs outputs) throws IOException;
  }

  /** Lets another implementation be the reference: its prefill, sequence by sequence. */
  static ReferenceSource of(Candidate candidate) {
    return new CandidateSource(candidate);
  }
}
