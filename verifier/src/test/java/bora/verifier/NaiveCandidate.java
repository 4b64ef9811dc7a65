package bora.verifier;

import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;

/**
 * A candidate made of reference models, whole or with a step replaced.
 *
 * @param prefillModel runs batches
 * @param decodeModel runs single tokens and generates
 */
record NaiveCandidate(ReferenceModel prefillModel, ReferenceModel decodeModel)
    implements Candidate {
  static NaiveCandidate of(ReferenceModel model) {
    return new NaiveCandidate(model, model);
  }

  @Override
  public ModelConfig config() {
    return prefillModel.config();
  }

  @Override
  public SequencedMap<String, String> provenance() {
    return new LinkedHashMap<>(Map.of("file", "naive"));
  }

  @Override
  public SequenceOutputs prefill(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed)
      throws IOException {
    return run(prefillModel, tokens, wanted);
  }

  @Override
  public SequenceOutputs decode(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed)
      throws IOException {
    return run(decodeModel, tokens, wanted);
  }

  static SequenceOutputs run(ReferenceModel model, int[] tokens, Set<LayerOutput> wanted)
      throws IOException {
    List<SequenceOutputs> outputs = new ArrayList<>();
    model.outputs(List.of(tokens), wanted, ProgressListener.NONE, outputs::add);
    return outputs.getFirst();
  }

  @Override
  public int[] greedy(int[] prompt, int count) throws IOException {
    int[] tokens = prompt;
    for (int i = 0; i < count; i++) {
      PositionValues logits = run(decodeModel, tokens, Set.of()).logits();
      tokens = Arrays.copyOf(tokens, tokens.length + 1);
      tokens[tokens.length - 1] = Ranking.largest(logits, tokens.length - 2, 1)[0];
    }
    return Arrays.copyOfRange(tokens, prompt.length, tokens.length);
  }
}
