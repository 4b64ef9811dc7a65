package bora.quantizer.calibration;

import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.util.Optional;

/** Gives the second moments of what tensors read. */
public interface MomentsSource {
  /** Knows nothing. */
  MomentsSource NONE = reader -> Optional.empty();

  /**
   * @param reader q, o, w1, w2 or the lm_head; see {@link #readerOf}
   * @return empty where none were gathered
   */
  Optional<SecondMoments> moments(TensorKey reader) throws IOException;

  /** The tensor under whose name the inputs of a matrix are known: the first that reads them. */
  static TensorKey readerOf(TensorKey key) {
    return switch (key.role()) {
      case KEY, VALUE -> TensorKey.ofLayer(key.layer(), TensorRole.QUERY);
      case EXPERT_UP -> TensorKey.ofExpert(key.layer(), key.expert(), TensorRole.EXPERT_GATE);
      default -> key;
    };
  }
}
