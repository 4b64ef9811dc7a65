package bora.verifier;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** Choices of experts of one sequence that a candidate follows in place of its router. */
public final class ImposedRouting {
  /** Leaves every choice to the router. */
  public static final ImposedRouting NONE = new ImposedRouting(Map.of());

  private static final int[] ROUTER = new int[0];

  private final Map<Decision, int[]> choices;

  /** One decision of a router. */
  record Decision(int layer, int position) {}

  ImposedRouting(Map<Decision, int[]> choices) {
    this.choices = Map.copyOf(choices);
  }

  /** Every choice of a reference, which knows its router logits. */
  static ImposedRouting of(SequenceOutputs reference, int expertsPerToken) {
    Map<Decision, int[]> choices = new HashMap<>();
    for (int layer = 0; layer < reference.routerLogits().size(); layer++) {
      for (int position = 0; position < reference.tokens().length; position++) {
        PositionValues logits = reference.routerLogits().get(layer);
        choices.put(
            new Decision(layer, position),
            RouterChoice.of(logits, position, expertsPerToken).experts());
      }
    }
    return new ImposedRouting(choices);
  }

  /** The experts of a position in a layer; none where the router decides. */
  public int[] expertsOf(int layer, int position) {
    return choices.getOrDefault(new Decision(layer, position), ROUTER).clone();
  }

  boolean imposes(int layer, int position) {
    return choices.containsKey(new Decision(layer, position));
  }

  /** These choices and more. */
  ImposedRouting and(Map<Decision, int[]> more) {
    Map<Decision, int[]> all = new HashMap<>(choices);
    more.forEach((decision, experts) -> all.put(decision, Arrays.copyOf(experts, experts.length)));
    return new ImposedRouting(all);
  }
}
