package bora.verifier;

import bora.formats.encoding.BFloat16;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;

/** A small model of random bf16 weights, the same for the same seed. */
final class RandomWeights implements WeightSource {
  static final ModelConfig MIXTRAL = config(Architecture.MIXTRAL, OptionalInt.empty(), false);
  static final ModelConfig MISTRAL = config(Architecture.MISTRAL, OptionalInt.of(5), false);
  static final ModelConfig TIED = config(Architecture.MISTRAL, OptionalInt.empty(), true);

  private final ModelConfig config;
  private final Map<TensorKey, float[]> tensors = new HashMap<>();

  /** Weights that amplify: every step matters, and every error grows. */
  RandomWeights(ModelConfig config, long seed) {
    this(config, seed, 1.5);
  }

  /**
   * @param gain deviation of a matrix's outputs for inputs of deviation 1
   */
  RandomWeights(ModelConfig config, long seed, double gain) {
    this.config = config;
    Random random = new Random(seed);
    config.tensors().forEach((key, shape) -> tensors.put(key, values(key, shape, random, gain)));
  }

  private static ModelConfig config(
      Architecture architecture, OptionalInt slidingWindow, boolean tiedEmbeddings) {
    boolean routed = architecture == Architecture.MIXTRAL;
    return new ModelConfig(
        architecture,
        96,
        32,
        48,
        3,
        4,
        2,
        8,
        routed ? 6 : 1,
        routed ? 2 : 1,
        1e-5,
        10_000,
        slidingWindow,
        512,
        tiedEmbeddings,
        OptionalInt.of(1),
        List.of(2));
  }

  private static float[] values(TensorKey key, TensorShape shape, Random random, double gain) {
    float[] values = new float[(int) shape.elementCount()];
    double deviation = gain / Math.sqrt(shape.columns());
    for (int i = 0; i < values.length; i++) {
      double value =
          key.role().isNorm() ? 1 + 0.4 * random.nextGaussian() : deviation * random.nextGaussian();
      values[i] = BFloat16.toFloat(BFloat16.fromFloat((float) value));
    }
    return values;
  }

  float[] tensor(TensorKey key) {
    return tensors.get(key);
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public String description() {
    return "random weights";
  }

  @Override
  public void readRows(TensorKey key, int row, int count, float[] values, int offset) {
    int columns = config.tensors().get(key).columns();
    System.arraycopy(tensors.get(key), row * columns, values, offset, count * columns);
  }

  /** Windows of random tokens, BOS first. */
  static List<int[]> windows(ModelConfig config, int count, int windowTokens, long seed) {
    Random random = new Random(seed);
    int[] tokens = random.ints((long) count * windowTokens, 3, config.vocabSize()).toArray();
    return new WindowsProtocol(windowTokens, count).windows(tokens, config.bosTokenId());
  }
}
