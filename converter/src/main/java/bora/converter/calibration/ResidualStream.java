package bora.converter.calibration;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.runtime.LayerSteps;
import java.util.Arrays;
import java.util.function.Function;

/**
 * The residual stream of several windows, taken through a model layer by layer by one set of
 * weights. Vectors of a window are [tokens, width].
 */
final class ResidualStream {
  private final ModelConfig config;
  private final LayerSteps steps;
  private final int tokens;
  private final int width;
  private final float[][] hidden;
  private final float[] normalized;
  private int layer;
  private Function<TensorKey, EncodedTensor> weights;

  /**
   * @param tokens of each window
   */
  ResidualStream(ModelConfig config, LayerSteps steps, int windows, int tokens) {
    this.config = config;
    this.steps = steps;
    this.tokens = tokens;
    width = config.hiddenSize();
    hidden = new float[windows][Math.multiplyExact(tokens, width)];
    normalized = new float[tokens * width];
  }

  /** Says which layer comes next. */
  void enter(int index, Function<TensorKey, EncodedTensor> weightsOfLayer) {
    layer = index;
    weights = weightsOfLayer;
  }

  private EncodedTensor weight(TensorRole role) {
    return weights.apply(TensorKey.ofLayer(layer, role));
  }

  private EncodedTensor weight(int expert, TensorRole role) {
    return weights.apply(TensorKey.ofExpert(layer, expert, role));
  }

  /** A window's, to be changed. */
  float[] of(int window) {
    return hidden[window];
  }

  /** A window's after a norm, in an array that the next call uses again. */
  float[] normalized(EncodedTensor norm, int window) {
    steps.normalize(norm, hidden[window], tokens, normalized);
    return normalized;
  }

  /** What o reads, window by window. */
  float[][] attended() {
    float[][] attended = new float[hidden.length][tokens * config.queryWidth()];
    for (int window = 0; window < hidden.length; window++) {
      steps.attend(
          weight(TensorRole.QUERY),
          weight(TensorRole.KEY),
          weight(TensorRole.VALUE),
          normalized(weight(TensorRole.ATTENTION_NORM), window),
          tokens,
          attended[window]);
    }
    return attended;
  }

  /** Adds what o makes of {@link #attended}. */
  void addAttention(float[][] attended) {
    float[] product = new float[tokens * width];
    for (int window = 0; window < hidden.length; window++) {
      steps.multiply(weight(TensorRole.ATTENTION_OUTPUT), attended[window], tokens, product);
      steps.addScaled(1, product, 0, hidden[window], 0, product.length);
    }
  }

  /** Where the router sends the tokens, window by window. */
  ExpertRouting[] routings() {
    int[] experts = new int[tokens * config.expertsPerToken()];
    float[] shares = new float[experts.length];
    Arrays.fill(shares, 1);
    ExpertRouting[] routings = new ExpertRouting[hidden.length];
    for (int window = 0; window < routings.length; window++) {
      if (config.hasRouter()) {
        float[] x = normalized(weight(TensorRole.FEED_FORWARD_NORM), window);
        steps.route(weight(TensorRole.ROUTER), x, tokens, experts, shares);
      }
      routings[window] =
          ExpertRouting.of(config.expertCount(), config.expertsPerToken(), experts, shares);
    }
    return routings;
  }

  /** What w2 of an expert reads where w1 and w3 read x. */
  float[] gated(int expert, float[] x) {
    int rows = x.length / width;
    float[] gated = new float[rows * config.intermediateSize()];
    if (rows > 0) {
      EncodedTensor gate = weight(expert, TensorRole.EXPERT_GATE);
      steps.gate(gate, weight(expert, TensorRole.EXPERT_UP), x, rows, gated);
    }
    return gated;
  }

  /** Adds what the experts make of the tokens that are sent to them. */
  void addExperts(ExpertRouting[] routings) {
    for (int window = 0; window < hidden.length; window++) {
      float[] x = normalized(weight(TensorRole.FEED_FORWARD_NORM), window);
      for (int expert = 0; expert < config.expertCount(); expert++) {
        addExpert(expert, routings[window], x, hidden[window]);
      }
    }
  }

  private void addExpert(int expert, ExpertRouting routing, float[] x, float[] stream) {
    int[] rows = routing.rows()[expert];
    if (rows.length == 0) {
      return;
    }
    float[] gated = gated(expert, routing.gather(expert, x, width));
    float[] product = new float[rows.length * width];
    steps.multiply(weight(expert, TensorRole.EXPERT_DOWN), gated, rows.length, product);
    for (int i = 0; i < rows.length; i++) {
      float share = routing.weights()[expert][i];
      steps.addScaled(share, product, i * width, stream, rows[i] * width, width);
    }
  }
}
