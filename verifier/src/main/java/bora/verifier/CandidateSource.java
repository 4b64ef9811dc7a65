package bora.verifier;

import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.util.List;
import java.util.Set;

/** A candidate in the part of the reference. */
record CandidateSource(Candidate candidate) implements ReferenceSource {
  @Override
  public ModelConfig config() {
    return candidate.config();
  }

  @Override
  public String description() {
    return "prefill of " + candidate.provenance();
  }

  @Override
  public void outputs(
      List<int[]> sequences,
      Set<LayerOutput> wanted,
      ProgressListener progress,
      OutputsConsumer consumer)
      throws IOException {
    for (int[] sequence : sequences) {
      consumer.accept(candidate.prefill(sequence, wanted, ImposedRouting.NONE));
      progress.advance(config().tensors().size());
    }
  }
}
