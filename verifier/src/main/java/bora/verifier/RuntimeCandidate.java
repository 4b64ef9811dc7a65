package bora.verifier;

import bora.formats.model.ModelConfig;
import bora.formats.pack.PackReader;
import bora.runtime.ForwardObserver;
import bora.runtime.Model;
import bora.runtime.Session;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.Set;

/**
 * A pack as the runtime runs it.
 *
 * @param model of the pack; the caller keeps and closes both
 */
public record RuntimeCandidate(Model model, PackReader pack) implements Candidate {
  @Override
  public ModelConfig config() {
    return model.config();
  }

  @Override
  public SequencedMap<String, String> provenance() {
    SequencedMap<String, String> provenance = new LinkedHashMap<>();
    provenance.put("file", String.valueOf(pack.path().getFileName()));
    provenance.put("weightsSha256", pack.manifest().weightsSha256());
    provenance.put("checkpoint", pack.manifest().provenance().checkpoint());
    provenance.put("kernels", model.kernels());
    return provenance;
  }

  @Override
  public SequenceOutputs prefill(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed) {
    RecordingObserver observer = new RecordingObserver(config(), tokens, wanted);
    try (Session session = newSession(tokens.length, imposed)) {
      session.prefill(tokens, observer);
    }
    return observer.outputs();
  }

  @Override
  public SequenceOutputs decode(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed) {
    RecordingObserver observer = new RecordingObserver(config(), tokens, wanted);
    try (Session session = newSession(tokens.length, imposed)) {
      for (int token : tokens) {
        session.decode(token, observer);
      }
    }
    return observer.outputs();
  }

  @Override
  public int[] greedy(int[] prompt, int count) {
    int[] tokens = new int[count];
    try (Session session = newSession(prompt.length + count, ImposedRouting.NONE)) {
      float[] logits = session.prefill(prompt, ForwardObserver.NONE);
      for (int i = 0; i < count; i++) {
        tokens[i] = Ranking.largest(new PositionValues(logits.length, logits), 0, 1)[0];
        if (i + 1 < count) {
          logits = session.decode(tokens[i], ForwardObserver.NONE);
        }
      }
    }
    return tokens;
  }

  private Session newSession(int contextTokens, ImposedRouting imposed) {
    Session session = model.newSession(contextTokens);
    session.imposeRouting(imposed::expertsOf);
    return session;
  }
}
