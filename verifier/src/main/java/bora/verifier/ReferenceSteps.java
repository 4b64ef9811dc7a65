package bora.verifier;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.util.Arrays;

/**
 * The formulas of the {@link ReferenceModel} that a broken implementation gets wrong: the tests
 * replace one at a time to prove that the verifier notices.
 */
class ReferenceSteps {
  private final ModelConfig config;

  ReferenceSteps(ModelConfig config) {
    this.config = config;
  }

  /** {@code x / sqrt(mean(x^2) + eps) * weight}. */
  double[] rmsNorm(TensorKey norm, float[] weight, double[] x) {
    double squares = 0;
    for (double value : x) {
      squares += value * value;
    }
    double scale = 1 / Math.sqrt(squares / x.length + config.rmsNormEps());
    double[] normalized = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      normalized[i] = x[i] * scale * weight[i];
    }
    return normalized;
  }

  /** {@code position * theta^(-2 pair / headDim)}, in radians. */
  double ropeAngle(int layer, TensorRole projection, int position, int pair) {
    return position * Math.pow(config.ropeTheta(), -2.0 * pair / config.headDim());
  }

  /** The key and value head of a query head: consecutive query heads share one. */
  int kvHead(int head) {
    return head / (config.headCount() / config.kvHeadCount());
  }

  /** Whether a token sees another, at or before it: the window includes the token itself. */
  boolean attends(int layer, int queryPosition, int keyPosition) {
    return config.slidingWindow().isEmpty()
        || queryPosition - keyPosition < config.slidingWindow().getAsInt();
  }

  /** Softmax over all experts, the most probable taken, their weights made to sum to 1. */
  Routing route(int layer, int position, double[] logits, int expertsPerToken) {
    double[] probabilities = NaiveArithmetic.softmax(logits);
    int[] experts = Ranking.largest(logits, expertsPerToken);
    double sum = Arrays.stream(experts).mapToDouble(expert -> probabilities[expert]).sum();
    double[] weights =
        Arrays.stream(experts).mapToDouble(expert -> probabilities[expert] / sum).toArray();
    return new Routing(experts, weights);
  }
}
