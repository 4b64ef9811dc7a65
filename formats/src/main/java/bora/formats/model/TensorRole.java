package bora.formats.model;

/** What a tensor does in the model. The order of the constants is the canonical order of a pack. */
public enum TensorRole {
  /** Token embedding, [vocabulary, hidden]. */
  EMBEDDING("embedding", Scope.MODEL),
  /** RMSNorm before attention, [hidden]. */
  ATTENTION_NORM("attention_norm", Scope.LAYER),
  /** Query projection, [heads * headDim, hidden]. */
  QUERY("q", Scope.LAYER),
  /** Key projection, [kvHeads * headDim, hidden]. */
  KEY("k", Scope.LAYER),
  /** Value projection, [kvHeads * headDim, hidden]. */
  VALUE("v", Scope.LAYER),
  /** Output projection of attention, [hidden, heads * headDim]. */
  ATTENTION_OUTPUT("o", Scope.LAYER),
  /** RMSNorm before the feed-forward, [hidden]. */
  FEED_FORWARD_NORM("feed_forward_norm", Scope.LAYER),
  /** Router of a mixture of experts, [experts, hidden]. */
  ROUTER("router", Scope.LAYER),
  /** Gate projection of an expert (w1), [intermediate, hidden]. */
  EXPERT_GATE("w1", Scope.EXPERT),
  /** Up projection of an expert (w3), [intermediate, hidden]. */
  EXPERT_UP("w3", Scope.EXPERT),
  /** Down projection of an expert (w2), [hidden, intermediate]. */
  EXPERT_DOWN("w2", Scope.EXPERT),
  /** RMSNorm before the lm_head, [hidden]. */
  OUTPUT_NORM("output_norm", Scope.MODEL),
  /** Projection to the vocabulary, [vocabulary, hidden]; absent where tied to the embedding. */
  LM_HEAD("lm_head", Scope.MODEL);

  /** How many tensors of a role there are. */
  public enum Scope {
    MODEL,
    LAYER,
    EXPERT
  }

  private final String id;
  private final Scope scope;

  TensorRole(String id, Scope scope) {
    this.id = id;
    this.scope = scope;
  }

  /** The name used in packs, plans, policies and reports. */
  public String id() {
    return id;
  }

  public Scope scope() {
    return scope;
  }

  /** Whether a tensor of this role is a vector, the weight of a norm. */
  public boolean isNorm() {
    return this == ATTENTION_NORM || this == FEED_FORWARD_NORM || this == OUTPUT_NORM;
  }

  /** Whether tensors of this role keep the checkpoint's values: norms and routers always do. */
  public boolean isExact() {
    return isNorm() || this == ROUTER;
  }

  /**
   * @throws IllegalArgumentException naming the known ids when there is no such role
   */
  public static TensorRole ofId(String id) {
    for (TensorRole role : values()) {
      if (role.id.equals(id)) {
        return role;
      }
    }
    throw new IllegalArgumentException(
        "unknown tensor role: expected one of "
            + java.util.Arrays.stream(values()).map(TensorRole::id).toList()
            + ", found "
            + id);
  }
}
