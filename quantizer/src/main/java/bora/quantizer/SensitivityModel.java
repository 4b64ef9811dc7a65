package bora.quantizer;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.calibration.GroupSensitivity;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a unit of a tensor's feedback loss adds to the divergence, from what rounding groups of
 * tensors did. The divergence of a projection is split over its experts by their losses, then
 * fitted to the share of its layer that was measured of each expert.
 */
public final class SensitivityModel {
  /** What an expert keeps at least of the share that its losses give it. */
  private static final double LEAST_SHARE = 0.1;

  private static final int FITTING_ROUNDS = 50;

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

  /**
   * Brings the experts' divergences to what was measured of them, and keeps those of the roles:
   * both sums are met by scaling experts and roles in turn, which changes the shares that the
   * losses gave as little as possible (iterative proportional fitting). Losses of different roles
   * are no measure of each other: one of w1 weighs as much as w3 and w2 make of it.
   */
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
    Map<GroupSensitivity, Double> wanted = new LinkedHashMap<>();
    for (GroupSensitivity expert : experts) {
      // An expert that the text hardly reached may yet be needed: it keeps a part of its share.
      double least = LEAST_SHARE * predicted(expert);
      wanted.put(expert, Math.max(least, expert.divergence() * predicted / measured));
    }
    Map<TensorRole, Double> ofRole = divergences(experts);
    for (int round = 0; round < FITTING_ROUNDS; round++) {
      wanted.forEach((expert, divergence) -> scale(expert, divergence / predicted(expert)));
      Map<TensorRole, Double> found = divergences(experts);
      for (GroupSensitivity expert : experts) {
        for (TensorKey key : expert.losses().keySet()) {
          double sum = found.get(key.role());
          perLoss.merge(key, sum > 0 ? ofRole.get(key.role()) / sum : 1, (x, y) -> x * y);
        }
      }
    }
  }

  private void scale(GroupSensitivity group, double factor) {
    if (Double.isFinite(factor)) {
      group.losses().keySet().forEach(key -> perLoss.merge(key, factor, (x, y) -> x * y));
    }
  }

  private double predicted(GroupSensitivity group) {
    return group.losses().entrySet().stream()
        .mapToDouble(entry -> entry.getValue() * perLoss.getOrDefault(entry.getKey(), 0.0))
        .sum();
  }

  /** By role, over some experts. */
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
