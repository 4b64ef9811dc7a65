package bora.quantizer;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;

/** Weights and models made up for tests. */
final class TestWeights {
  static final TensorKey KEY = TensorKey.ofExpert(0, 0, TensorRole.EXPERT_GATE);
  static final String FINGERPRINT = "ab".repeat(32);

  private TestWeights() {}

  /** Gaussian weights; {@link Random} is specified to give the same on every machine. */
  static SampledMatrix gaussian(int rows, int columns, double deviation, long seed) {
    Random random = new Random(seed);
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (deviation * random.nextGaussian());
    }
    return matrix(rows, columns, values);
  }

  static SampledMatrix matrix(int rows, int columns, float... values) {
    return new SampledMatrix(KEY, TensorShape.matrix(rows, columns), values);
  }

  static SampledMatrix vector(float... values) {
    return new SampledMatrix(
        TensorKey.ofModel(TensorRole.OUTPUT_NORM), TensorShape.vector(values.length), values);
  }

  static byte[] bytes(TensorEncoder encoder, WeightSource source, Encoding encoding)
      throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    encoder.encode(
        source,
        encoding,
        (ByteBuffer chunk) -> {
          byte[] copy = new byte[chunk.remaining()];
          chunk.get(copy);
          out.write(copy);
        });
    return out.toByteArray();
  }

  static EncodedTensor encode(WeightSource source, Encoding encoding) throws IOException {
    byte[] bytes = bytes(new TensorEncoder(), source, encoding);
    return new EncodedTensor(encoding, source.shape(), MemorySegment.ofArray(bytes));
  }

  /** A small model with a router over so many experts, or without one. */
  static ModelConfig config(Architecture architecture, int layers, int experts) {
    return new ModelConfig(
        architecture,
        96,
        64,
        80,
        layers,
        2,
        1,
        32,
        experts,
        Math.min(2, experts),
        1e-5,
        10_000,
        OptionalInt.empty(),
        128,
        false,
        OptionalInt.of(1),
        List.of(2));
  }

  /** Weights for every tensor of a model, to be changed by a test before use. */
  static Map<TensorKey, SampledMatrix> model(ModelConfig config) {
    Map<TensorKey, SampledMatrix> weights = new HashMap<>();
    config
        .tensors()
        .forEach(
            (key, shape) -> {
              float[] values = gaussian(shape.rows(), shape.columns(), 0.02, weights.size()).values();
              weights.put(key, new SampledMatrix(key, shape, values));
            });
    return weights;
  }
}
