package bora.verifier;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.io.IOException;

/** Weights of which some are read wrongly. */
record AlteredWeights(WeightSource source, Alteration alteration) implements WeightSource {
  /** Gives a tensor's values, row-major, as they are to be read. */
  @FunctionalInterface
  interface Alteration {
    float[] read(WeightSource source, TensorKey key) throws IOException;
  }

  static float[] whole(WeightSource source, TensorKey key) throws IOException {
    TensorShape shape = source.config().tensors().get(key);
    float[] values = new float[(int) shape.elementCount()];
    source.readRows(key, 0, shape.rows(), values, 0);
    return values;
  }

  @Override
  public ModelConfig config() {
    return source.config();
  }

  @Override
  public String description() {
    return "altered " + source.description();
  }

  @Override
  public void readRows(TensorKey key, int row, int count, float[] values, int offset)
      throws IOException {
    int columns = config().tensors().get(key).columns();
    System.arraycopy(alteration.read(source, key), row * columns, values, offset, count * columns);
  }

  /** Two experts of a layer in each other's place; their router rows stay. */
  static WeightSource swapExperts(WeightSource source, int layer, int a, int b) {
    return new AlteredWeights(
        source,
        (weights, key) -> {
          int expert = key.expert() == a ? b : key.expert() == b ? a : key.expert();
          boolean swapped = key.layer() == layer && key.expert() >= 0;
          return whole(weights, swapped ? TensorKey.ofExpert(layer, expert, key.role()) : key);
        });
  }

  /** An expert's gate and up projections in each other's place. */
  static WeightSource exchangeGateAndUp(WeightSource source, int layer, int expert) {
    TensorKey gate = TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE);
    TensorKey up = TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP);
    return new AlteredWeights(
        source,
        (weights, key) -> whole(weights, key.equals(gate) ? up : key.equals(up) ? gate : key));
  }

  /** The first 64 values of a row in the middle are too large by a quarter. */
  static WeightSource corruptBlock(WeightSource source, TensorKey corrupted) {
    return scaleBlock(source, corrupted, 1.25f);
  }

  /** The first 64 values of a row in the middle are multiplied by a factor. */
  static WeightSource scaleBlock(WeightSource source, TensorKey corrupted, float factor) {
    return new AlteredWeights(
        source,
        (weights, key) -> {
          float[] values = whole(weights, key);
          if (key.equals(corrupted)) {
            TensorShape shape = weights.config().tensors().get(key);
            int start = shape.rows() / 2 * shape.columns();
            for (int i = 0; i < Math.min(64, shape.columns()); i++) {
              values[start + i] *= factor;
            }
          }
          return values;
        });
  }

  /** Rows of a matrix shifted by one. */
  static WeightSource rotateRows(WeightSource source, TensorKey rotated) {
    return new AlteredWeights(
        source,
        (weights, key) -> {
          float[] values = whole(weights, key);
          if (key.equals(rotated)) {
            float[] original = values.clone();
            int columns = weights.config().tensors().get(key).columns();
            System.arraycopy(original, 0, values, columns, values.length - columns);
            System.arraycopy(original, values.length - columns, values, 0, columns);
          }
          return values;
        });
  }

  /** Rounds all matrices to a grid of {@code bits}, one scale for 32 values: an honest pack. */
  static WeightSource quantize(WeightSource source, int bits) {
    return new AlteredWeights(
        source,
        (weights, key) -> {
          float[] values = whole(weights, key);
          if (key.role().isExact()) {
            return values;
          }
          float levels = (1 << (bits - 1)) - 0.5f;
          for (int start = 0; start < values.length; start += 32) {
            int end = Math.min(start + 32, values.length);
            float max = 0;
            for (int i = start; i < end; i++) {
              max = Math.max(max, Math.abs(values[i]));
            }
            float step = max / levels;
            for (int i = start; i < end && step > 0; i++) {
              values[i] = ((float) Math.floor(values[i] / step) + 0.5f) * step;
              values[i] = Math.clamp(values[i], -max, max);
            }
          }
          return values;
        });
  }
}
