package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.util.Optional;
import java.util.Set;

/**
 * One rule of a policy: all its conditions must hold.
 *
 * @param roles the roles it is about; none of them is kept exactly
 * @param architecture empty for both
 * @param layers empty for all tensors, those of no layer included
 * @param experts empty for all tensors, those of no expert included
 * @param selection empty where sensitivity does not matter
 */
record PolicyRule(
    Set<TensorRole> roles,
    Optional<Architecture> architecture,
    Optional<IndexRanges> layers,
    Optional<IndexRanges> experts,
    Optional<ExpertSelection> selection,
    Encoding encoding) {

  /** Whether all conditions but the selection hold. */
  boolean covers(TensorKey key, ModelConfig config) {
    return roles.contains(key.role())
        && architecture.map(config.architecture()::equals).orElse(true)
        && layers
            .map(r -> key.layer() >= 0 && r.contains(key.layer(), config.layerCount()))
            .orElse(true)
        && experts
            .map(r -> key.expert() >= 0 && r.contains(key.expert(), config.expertCount()))
            .orElse(true)
        && (selection.isEmpty() || key.role().scope() == TensorRole.Scope.EXPERT);
  }

  /**
   * Whether the rule is not meant for such a model: it is about another architecture, or ranks
   * experts where there is but one.
   */
  boolean isIdle(ModelConfig config) {
    return !architecture.map(config.architecture()::equals).orElse(true)
        || (selection.isPresent() && config.expertCount() == 1);
  }
}
