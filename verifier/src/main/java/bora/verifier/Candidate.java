package bora.verifier;

import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.util.SequencedMap;
import java.util.Set;

/** What is verified: something that runs sequences of tokens in the ways a user would. */
public interface Candidate {
  ModelConfig config();

  /** What it is (the pack, its hash) and what computes it (kernels, threads), for the report. */
  SequencedMap<String, String> provenance();

  /**
   * Runs the whole sequence as one batch, from an empty cache.
   *
   * @param imposed choices of experts to follow instead of the router's
   */
  SequenceOutputs prefill(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed)
      throws IOException;

  /** The same token by token, on the path that generation takes. */
  SequenceOutputs decode(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed)
      throws IOException;

  /** The {@code count} tokens that follow the prompt when the most probable one is always taken. */
  int[] greedy(int[] prompt, int count) throws IOException;
}
