package bora.quantizer;

import bora.formats.CorruptFileException;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/** Applies a policy to a model. */
public final class Planner {
  private final ModelConfig config;
  private final QuantizationPolicy policy;
  private final Function<TensorKey, WeightSource> weights;
  private final ExpertSensitivity sensitivity;
  private final Map<Integer, double[]> scoresOfLayer = new HashMap<>();

  private Planner(
      ModelConfig config, QuantizationPolicy policy, Function<TensorKey, WeightSource> weights) {
    this.config = config;
    this.policy = policy;
    this.weights = weights;
    this.sensitivity = new ExpertSensitivity(config, weights);
  }

  /**
   * Plans a checkpoint.
   *
   * @param tensors hears of tensors
   * @throws CorruptFileException naming the rule that does not suit the model, or a tensor that
   *     cannot be read
   */
  public static QuantizationPlan plan(
      Checkpoint checkpoint, QuantizationPolicy policy, ProgressListener tensors)
      throws IOException {
    return plan(
        checkpoint.config(),
        checkpoint.fingerprint(),
        key -> WeightSource.of(checkpoint.tensor(key)),
        policy,
        tensors);
  }

  /**
   * Plans a model whose weights come from anywhere. They are read only for a policy that asks for
   * the sensitivity of experts.
   *
   * @param fingerprint of the checkpoint
   * @param tensors hears of tensors
   */
  public static QuantizationPlan plan(
      ModelConfig config,
      String fingerprint,
      Function<TensorKey, WeightSource> weights,
      QuantizationPolicy policy,
      ProgressListener tensors)
      throws IOException {
    Planner planner = new Planner(config, policy, weights);
    planner.checkRules();
    List<PlannedTensor> planned = new ArrayList<>();
    for (Map.Entry<TensorKey, TensorShape> tensor : config.tensors().entrySet()) {
      planned.add(planner.plan(tensor.getKey(), tensor.getValue()));
      tensors.advance(1);
    }
    return new QuantizationPlan(policy.name(), fingerprint, Optional.empty(), config, planned);
  }

  private PlannedTensor plan(TensorKey key, TensorShape shape) throws IOException {
    if (key.role().isExact()) {
      Encoding exact = weights.apply(key).exactEncoding();
      return new PlannedTensor(key, shape, exact, "always exact");
    }
    for (int i = 0; i < policy.rules().size(); i++) {
      PolicyRule rule = policy.rules().get(i);
      if (!rule.covers(key, config) || rule.isIdle(config)) {
        continue;
      }
      if (rule.selection().isEmpty()) {
        return new PlannedTensor(key, shape, rule.encoding(), ruleName(i));
      }
      ExpertSelection selection = rule.selection().get();
      double[] scores = scores(key.layer());
      if (selection.selects(scores, key.expert())) {
        String reason = ruleName(i) + ": " + selection.describe(scores, key.expert());
        return new PlannedTensor(key, shape, rule.encoding(), reason);
      }
    }
    return new PlannedTensor(key, shape, policy.otherwise(), "default");
  }

  private double[] scores(int layer) throws IOException {
    double[] scores = scoresOfLayer.get(layer);
    if (scores == null) {
      scores = sensitivity.scores(layer);
      scoresOfLayer.put(layer, scores);
    }
    return scores;
  }

  private void checkRules() throws CorruptFileException {
    boolean[] reachable = new boolean[policy.rules().size()];
    for (TensorKey key : config.tensors().keySet()) {
      markReachable(key, reachable);
    }
    for (int i = 0; i < reachable.length; i++) {
      PolicyRule rule = policy.rules().get(i);
      if (rule.isIdle(config)) {
        continue;
      }
      checkBound(i, "layers", rule.layers(), config.layerCount());
      checkBound(i, "experts", rule.experts(), config.expertCount());
      if (!reachable[i]) {
        throw problem(
            i,
            "can never match: expected a tensor that no earlier rule takes, found none;"
                + " remove the rule or move it up");
      }
    }
  }

  /** Marks the rules that can decide about a tensor, whatever the sensitivities. */
  private void markReachable(TensorKey key, boolean[] reachable) {
    for (int i = 0; i < reachable.length; i++) {
      PolicyRule rule = policy.rules().get(i);
      if (rule.covers(key, config) && !rule.isIdle(config)) {
        reachable[i] = true;
        if (rule.selection().isEmpty()) {
          return;
        }
      }
    }
  }

  private void checkBound(int ruleIndex, String what, Optional<IndexRanges> ranges, int count)
      throws CorruptFileException {
    int highest = ranges.map(IndexRanges::highest).orElse(-1);
    if (highest >= count) {
      throw problem(
          ruleIndex,
          what
              + ": the model has "
              + count
              + ": expected at most "
              + (count - 1)
              + ", found "
              + highest);
    }
  }

  private CorruptFileException problem(int ruleIndex, String problem) {
    return new CorruptFileException(policy.origin(), ruleName(ruleIndex) + ": " + problem);
  }

  /** As messages about the policy's file name it. */
  private static String ruleName(int ruleIndex) {
    return "rules[" + ruleIndex + "]";
  }
}
