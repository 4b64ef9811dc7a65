package bora.verifier;

import java.util.List;
import java.util.stream.Collectors;

/**
 * The first layer that is beyond a limit.
 *
 * @param layer 0-based, or {@link LayerResult#EMBEDDING}
 * @param last whether it is the last layer, whose output is only known after the output norm
 * @param experts those that explain all its wrong positions; empty when none do
 */
public record Fault(int layer, boolean last, List<Integer> experts) {
  public Fault {
    experts = List.copyOf(experts);
  }

  /** For reports: {@code layer 2}, {@code layer 2 expert 5}. */
  @Override
  public String toString() {
    if (layer == LayerResult.EMBEDDING) {
      return "embedding";
    }
    if (!experts.isEmpty()) {
      String list = experts.stream().map(String::valueOf).collect(Collectors.joining(", "));
      return "layer " + layer + (experts.size() == 1 ? " expert " : " experts ") + list;
    }
    return "layer " + layer + (last ? " or output norm" : "");
  }
}
