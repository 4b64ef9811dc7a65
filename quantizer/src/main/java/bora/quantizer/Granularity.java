package bora.quantizer;

import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.util.Locale;

/** Which matrices a budget gives one encoding in common. */
public enum Granularity {
  /** All of the model. */
  MODEL,
  /** Those of a layer; embedding and lm_head each by itself. */
  LAYER,
  /** Those of a layer that have the same role: a projection of all experts. */
  PROJECTION,
  /** Those of an expert; those of a layer's attention. */
  EXPERT,
  /** None. */
  TENSOR;

  /** As users write it. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Names the matrices that share an encoding with one; what is exact shares with none. */
  String unit(TensorKey key) {
    if (this == MODEL && !key.role().isExact()) {
      return "model";
    }
    boolean layered = key.role().scope() != TensorRole.Scope.MODEL;
    if (this == TENSOR || key.role().isExact() || !layered) {
      return key.toString();
    }
    String part =
        switch (this) {
          case PROJECTION -> " " + key.role().id();
          case EXPERT -> key.expert() < 0 ? " attention" : " expert " + key.expert();
          default -> "";
        };
    return "layer " + key.layer() + part;
  }
}
