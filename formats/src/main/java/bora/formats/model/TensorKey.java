package bora.formats.model;

/**
 * Names one tensor of a model.
 *
 * @param layer 0-based, {@link #NONE} for tensors of the whole model
 * @param expert 0-based, {@link #NONE} for tensors that belong to no expert; the dense feed-forward
 *     of Mistral is expert 0
 */
public record TensorKey(int layer, TensorRole role, int expert) {
  /** Stands for a layer or expert that a tensor does not have. */
  public static final int NONE = -1;

  public TensorKey {
    boolean layered = role.scope() != TensorRole.Scope.MODEL;
    boolean expertOwned = role.scope() == TensorRole.Scope.EXPERT;
    if (layered != (layer >= 0) || expertOwned != (expert >= 0) || layer < NONE || expert < NONE) {
      throw new IllegalArgumentException(
          "no such tensor: layer=" + layer + " role=" + role + " expert=" + expert);
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TensorKey key
        && layer == key.layer
        && role == key.role
        && expert == key.expert;
  }

  @Override
  public int hashCode() {
    return 31 * (31 * layer + role.ordinal()) + expert;
  }

  public static TensorKey ofModel(TensorRole role) {
    return new TensorKey(NONE, role, NONE);
  }

  public static TensorKey ofLayer(int layer, TensorRole role) {
    return new TensorKey(layer, role, NONE);
  }

  public static TensorKey ofExpert(int layer, int expert, TensorRole role) {
    return new TensorKey(layer, role, expert);
  }

  /** For scripts: {@code embedding}, {@code layers.3.q}, {@code layers.3.experts.5.w1}. */
  public String id() {
    return switch (role.scope()) {
      case MODEL -> role.id();
      case LAYER -> "layers." + layer + "." + role.id();
      case EXPERT -> "layers." + layer + ".experts." + expert + "." + role.id();
    };
  }

  /** For people: {@code embedding}, {@code layer 3 q}, {@code layer 3 expert 5 w1}. */
  @Override
  public String toString() {
    return switch (role.scope()) {
      case MODEL -> role.id();
      case LAYER -> "layer " + layer + " " + role.id();
      case EXPERT -> "layer " + layer + " expert " + expert + " " + role.id();
    };
  }
}
