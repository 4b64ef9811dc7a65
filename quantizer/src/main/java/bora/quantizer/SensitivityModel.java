package bora.quantizer;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.quantizer.calibration.GroupSensitivity;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a unit of a tensor's feedback loss adds to the divergence, from what rounding groups of
 * tensors did. The divergence of a projection is split over its experts by their losses; then each
 * expert's share of its layer is corrected to the share that was measured.
 */
public final class SensitivityModel {
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
      model.correctExperts(config, groups, layer);
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

  private void correctExperts(ModelConfig config, List<GroupSensitivity> groups, int layer) {
    List<GroupSensitivity> experts =
        groups.stream()
            .filter(group -> isOneExpert(config, group))
            .filter(group -> group.losses().firstEntry().getKey().layer() == layer)
            .toList();
    double measured = experts.stream().mapToDouble(GroupSensitivity::divergence).sum();
    double predicted = experts.stream().mapToDouble(this::predicted).sum();
    if (measured <= 0 || predicted <= 0) {
      return;
    }
    for (GroupSensitivity expert : experts) {
      double share = predicted(expert) / predicted;
      // An expert that the text hardly reached may yet be needed: it keeps a part of its share.
      double factor = share > 0 ? Math.max(0.1, expert.divergence() / measured / share) : 1;
      expert.losses().keySet().forEach(key -> perLoss.merge(key, factor, (a, b) -> a * b));
    }
  }

  private double predicted(GroupSensitivity group) {
    return group.losses().entrySet().stream()
        .mapToDouble(entry -> entry.getValue() * perLoss.getOrDefault(entry.getKey(), 0.0))
        .sum();
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
