package bora.quantizer;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.calibration.GroupSensitivity;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a unit of a tensor's feedback loss adds to the divergence, from what rounding groups of
 * tensors did. The divergence of a projection is split over its experts by what was measured of
 * these.
 */
public final class SensitivityModel {
  /** What an expert has at least, of what the median of its layer has. */
  private static final double LEAST_SHARE = 0.1;

  private final Map<TensorKey, Double> perLoss = new HashMap<>();

  private SensitivityModel() {}

  /**
   * @param groups as a calibration has them
   */
  public static SensitivityModel of(ModelConfig config, List<GroupSensitivity> groups) {
    SensitivityModel model = new SensitivityModel();
    for (GroupSensitivity group : groups) {
      if (!isOneExpert(config, group)) {
        double losses = sum(group);
        for (TensorKey key : group.losses().keySet()) {
          model.perLoss.put(key, losses > 0 ? group.divergence() / losses : 0);
        }
      }
    }
    for (int layer = 0; layer < config.layerCount(); layer++) {
      model.splitOverExperts(config, groups, layer);
    }
    return model;
  }

  /** An expert's group has several roles, any other but one. */
  private static boolean isOneExpert(ModelConfig config, GroupSensitivity group) {
    return config.expertCount() > 1
        && group.losses().keySet().stream().map(TensorKey::role).distinct().count() > 1;
  }

  private static double sum(GroupSensitivity group) {
    return group.losses().values().stream().mapToDouble(Double::doubleValue).sum();
  }

  /**
   * Splits what was measured of each projection over the experts as what was measured of the
   * experts: rounding at one rate harms all projections of an expert about alike. Losses do not
   * tell: one of w1 weighs what w3 and w2 make of it.
   */
  private void splitOverExperts(ModelConfig config, List<GroupSensitivity> groups, int layer) {
    List<GroupSensitivity> experts =
        groups.stream()
            .filter(group -> isOneExpert(config, group))
            .filter(group -> group.losses().firstEntry().getKey().layer() == layer)
            .toList();
    double[] sorted = experts.stream().mapToDouble(GroupSensitivity::divergence).sorted().toArray();
    if (experts.isEmpty() || sorted[sorted.length - 1] <= 0) {
      return;
    }
    // An expert that the text hardly reached may yet be needed.
    double least = LEAST_SHARE * sorted[sorted.length / 2];
    double sum = experts.stream().mapToDouble(e -> Math.max(least, e.divergence())).sum();
    Map<TensorRole, Double> ofRole = divergences(experts);
    for (GroupSensitivity expert : experts) {
      double share = Math.max(least, expert.divergence()) / sum;
      expert
          .losses()
          .forEach(
              (key, loss) ->
                  perLoss.put(key, loss > 0 ? share * ofRole.get(key.role()) / loss : 0));
    }
  }

  /** By projection, over all experts of a layer. */
  private Map<TensorRole, Double> divergences(List<GroupSensitivity> experts) {
    Map<TensorRole, Double> divergences = new EnumMap<>(TensorRole.class);
    for (GroupSensitivity expert : experts) {
      expert
          .losses()
          .forEach(
              (key, loss) ->
                  divergences.merge(
                      key.role(), loss * perLoss.getOrDefault(key, 0.0), Double::sum));
    }
    return divergences;
  }

  /**
   * What a unit of the tensor's loss adds to the divergence.
   *
   * @throws IllegalArgumentException when nothing was measured of it
   */
  public double perLoss(TensorKey key) {
    Double value = perLoss.get(key);
    if (value == null) {
      throw new IllegalArgumentException("no sensitivity of " + key);
    }
    return value;
  }
}
