package bora.runtime;

/** Says which experts a token goes to, in place of the model's router. */
@FunctionalInterface
public interface RoutingSource {
  /** Leaves every choice to the model's router. */
  RoutingSource ROUTER = always(new int[0]);

  /**
   * The experts of one token in one layer. Only the choice is imposed; the weights follow from the
   * model's own router logits over these experts.
   *
   * @return {@code expertsPerToken} different experts, or none to leave this choice to the router
   */
  int[] expertsOf(int layer, int position);

  private static RoutingSource always(int[] experts) {
    return (layer, position) -> experts;
  }
}
