package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.function.Function;

/** A tiny model of random weights and awkward geometry. */
record RandomModel(ModelConfig config, Map<TensorKey, EncodedTensor> tensors) {
  static final ModelConfig DENSE = config(1, 1, OptionalInt.empty(), false);
  static final ModelConfig DENSE_WINDOWED_TIED = config(1, 1, OptionalInt.of(5), true);
  static final ModelConfig EXPERTS = config(5, 3, OptionalInt.empty(), false);
  static final ModelConfig EXPERTS_WINDOWED = config(5, 3, OptionalInt.of(5), false);

  private static ModelConfig config(
      int experts, int expertsPerToken, OptionalInt slidingWindow, boolean tied) {
    return new ModelConfig(
        experts == 1 ? Architecture.MISTRAL : Architecture.MIXTRAL,
        37,
        20,
        28,
        3,
        6,
        3,
        6,
        experts,
        expertsPerToken,
        1e-5,
        10_000,
        slidingWindow,
        64,
        tied,
        OptionalInt.of(1),
        List.of(2));
  }

  /** A model whose matrices are all f32. */
  static RandomModel of(ModelConfig config) {
    return of(config, key -> Encoding.F32);
  }

  /** A model in which every matrix of an expert has another encoding than its neighbours. */
  static RandomModel ofMixedEncodings() {
    Encoding[] encodings = Encoding.values();
    return of(
        EXPERTS_WINDOWED,
        key ->
            key.role() == TensorRole.ROUTER
                ? Encoding.BF16
                : encodings[
                    (key.role().ordinal() + key.expert() + key.layer() + 2) % encodings.length]);
  }

  /**
   * @param encodings the encoding of each matrix
   */
  static RandomModel of(ModelConfig config, Function<TensorKey, Encoding> encodings) {
    Random random = new Random(20_251_124);
    Map<TensorKey, EncodedTensor> tensors = new HashMap<>();
    config
        .tensors()
        .forEach(
            (key, shape) -> {
              Encoding encoding = shape.isVector() ? Encoding.F32 : encodings.apply(key);
              float[] values = values(key, shape, random);
              tensors.put(key, EncodedTensors.encode(encoding, shape, values, random));
            });
    return new RandomModel(config, tensors);
  }

  private static float[] values(TensorKey key, TensorShape shape, Random random) {
    float[] values = new float[Math.toIntExact(shape.elementCount())];
    double spread = key.role() == TensorRole.EMBEDDING ? 1 : 1.5 / Math.sqrt(shape.columns());
    for (int i = 0; i < values.length; i++) {
      double normal = random.nextGaussian();
      values[i] = (float) (shape.isVector() ? 1 + 0.2 * normal : spread * normal);
    }
    return values;
  }

  Model open(KernelChoice kernels) {
    return Model.of(config, tensors::get, new RuntimeOptions(2, kernels));
  }

  /** Tokens from all over the vocabulary. */
  int[] tokens(int count) {
    return new Random(7).ints(count, 0, config.vocabSize()).toArray();
  }
}
