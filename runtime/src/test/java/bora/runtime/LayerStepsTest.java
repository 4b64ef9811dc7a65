package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The steps of a layer put together are the layer. */
class LayerStepsTest {
  private static final int TOKENS = 9;

  static Stream<RandomModel> models() {
    return Stream.of(
        RandomModel.of(RandomModel.DENSE_WINDOWED_TIED),
        RandomModel.of(RandomModel.EXPERTS),
        RandomModel.ofMixedEncodings());
  }

  @ParameterizedTest
  @MethodSource("models")
  void computeTheLayerBitForBit(RandomModel model) {
    ModelConfig config = model.config();
    Random random = new Random(1);
    float[] hidden = new float[TOKENS * config.hiddenSize()];
    for (int i = 0; i < hidden.length; i++) {
      hidden[i] = (float) random.nextGaussian();
    }
    float[] expected = hidden.clone();
    RuntimeOptions options = new RuntimeOptions(2, KernelChoice.AUTO);
    try (LayerPass pass = new LayerPass(config, TOKENS, options);
        LayerSteps steps = new LayerSteps(config, TOKENS, options)) {
      pass.run(
          0,
          model.tensors()::get,
          TOKENS,
          expected,
          0,
          ForwardObserver.NONE,
          LinearInputObserver.NONE);
      attend(model, steps, hidden);
      feedForward(model, steps, hidden);
    }
    assertArrayEquals(expected, hidden);
  }

  private static EncodedTensor tensor(RandomModel model, TensorRole role) {
    return model.tensors().get(TensorKey.ofLayer(0, role));
  }

  private static void attend(RandomModel model, LayerSteps steps, float[] hidden) {
    float[] normalized = new float[hidden.length];
    float[] attended = new float[TOKENS * model.config().queryWidth()];
    steps.normalize(tensor(model, TensorRole.ATTENTION_NORM), hidden, TOKENS, normalized);
    steps.attend(
        tensor(model, TensorRole.QUERY),
        tensor(model, TensorRole.KEY),
        tensor(model, TensorRole.VALUE),
        normalized,
        TOKENS,
        attended);
    steps.multiply(tensor(model, TensorRole.ATTENTION_OUTPUT), attended, TOKENS, normalized);
    steps.addScaled(1, normalized, 0, hidden, 0, hidden.length);
  }

  private static void feedForward(RandomModel model, LayerSteps steps, float[] hidden) {
    ModelConfig config = model.config();
    int width = config.hiddenSize();
    float[] normalized = new float[hidden.length];
    steps.normalize(tensor(model, TensorRole.FEED_FORWARD_NORM), hidden, TOKENS, normalized);
    int[] experts = new int[TOKENS * config.expertsPerToken()];
    float[] weights = new float[experts.length];
    if (config.hasRouter()) {
      steps.route(tensor(model, TensorRole.ROUTER), normalized, TOKENS, experts, weights);
    } else {
      Arrays.fill(weights, 1);
    }
    float[][] products = new float[experts.length][];
    for (int expert = 0; expert < config.expertCount(); expert++) {
      int of = expert;
      int[] choices =
          IntStream.range(0, experts.length).filter(choice -> experts[choice] == of).toArray();
      multiply(model, steps, expert, choices, normalized, products);
    }
    for (int choice = 0; choice < experts.length; choice++) {
      int token = choice / config.expertsPerToken();
      steps.addScaled(weights[choice], products[choice], 0, hidden, token * width, width);
    }
  }

  private static void multiply(
      RandomModel model,
      LayerSteps steps,
      int expert,
      int[] choices,
      float[] normalized,
      float[][] products) {
    if (choices.length == 0) {
      return;
    }
    ModelConfig config = model.config();
    int width = config.hiddenSize();
    float[] x = new float[choices.length * width];
    for (int row = 0; row < choices.length; row++) {
      int token = choices[row] / config.expertsPerToken();
      System.arraycopy(normalized, token * width, x, row * width, width);
    }
    float[] gated = new float[choices.length * config.intermediateSize()];
    float[] product = new float[x.length];
    steps.gate(
        model.tensors().get(TensorKey.ofExpert(0, expert, TensorRole.EXPERT_GATE)),
        model.tensors().get(TensorKey.ofExpert(0, expert, TensorRole.EXPERT_UP)),
        x,
        choices.length,
        gated);
    EncodedTensor down = model.tensors().get(TensorKey.ofExpert(0, expert, TensorRole.EXPERT_DOWN));
    steps.multiply(down, gated, choices.length, product);
    for (int row = 0; row < choices.length; row++) {
      products[choices[row]] = Arrays.copyOfRange(product, row * width, (row + 1) * width);
    }
  }
}
