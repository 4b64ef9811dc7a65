package bora.converter.calibration;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.calibration.ExpertCoverage;
import bora.quantizer.calibration.MomentsSource;
import bora.quantizer.calibration.SecondMoments;
import bora.runtime.GramProduct;
import bora.runtime.LinearInputObserver;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * Adds up the second moments of some inputs while a model runs, each row weighted by the square of
 * its routing weight. A row far louder than its batch counts as if it had {@link #LOUDEST} times
 * the energy of the median: a first token can be hundreds of times louder than all others, and its
 * layer would be rounded for it alone.
 */
final class MomentSums implements LinearInputObserver, MomentsSource {
  /** The energy of a row, in medians of its batch, beyond which it does not count for more. */
  private static final double LOUDEST = 64;

  /**
   * The first token of a text counts as if it stood there 32 times: all later ones attend to it,
   * and many heads to little else.
   */
  static final float FIRST_TOKEN_FACTOR = (float) Math.sqrt(32);

  private final GramProduct gramProduct;
  private final SequencedMap<TensorKey, Sum> sums = new LinkedHashMap<>();

  private static final class Sum {
    private final List<double[][]> blocks = new ArrayList<>();
    private final int columns;
    private long rows;
    private double mass;

    Sum(int columns) {
      this.columns = columns;
      int blockColumns = SecondMoments.blockColumns(columns);
      for (int first = 0; first < columns; first += blockColumns) {
        blocks.add(GramProduct.newSums(Math.min(blockColumns, columns - first)));
      }
    }
  }

  /**
   * @param readers whose inputs to add up
   */
  MomentSums(ModelConfig config, List<TensorKey> readers, GramProduct gramProduct) {
    this.gramProduct = gramProduct;
    var shapes = config.tensors();
    readers.forEach(reader -> sums.put(reader, new Sum(shapes.get(reader).columns())));
  }

  /** The tensors of a layer under whose names inputs are known. */
  static List<TensorKey> readers(ModelConfig config, int layer) {
    List<TensorKey> readers = new ArrayList<>();
    readers.add(TensorKey.ofLayer(layer, TensorRole.QUERY));
    readers.add(TensorKey.ofLayer(layer, TensorRole.ATTENTION_OUTPUT));
    for (int expert = 0; expert < config.expertCount(); expert++) {
      readers.add(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE));
      readers.add(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN));
    }
    return readers;
  }

  @Override
  public float firstTokenFactor() {
    return FIRST_TOKEN_FACTOR;
  }

  @Override
  public void inputs(
      TensorKey reader, int rows, float[] x, int offset, float[] weights, int weightsOffset) {
    Sum sum = sums.get(reader);
    for (int row = 0; row < rows; row++) {
      float weight = weights[weightsOffset + row];
      sum.rows += weight > 0 ? 1 : 0;
      sum.mass += Math.min(1, weight);
    }
    float[] bounded = boundedWeights(sum.columns, rows, x, offset, weights, weightsOffset);
    int first = 0;
    for (double[][] block : sum.blocks) {
      gramProduct.add(x, offset + first, sum.columns, rows, bounded, 0, block);
      first += block.length;
    }
  }

  /** Weights of rows, lowered where a row is louder than counts. */
  static float[] boundedWeights(
      int columns, int rows, float[] x, int offset, float[] weights, int weightsOffset) {
    double[] energies = new double[rows];
    for (int row = 0; row < rows; row++) {
      double energy = 0;
      for (int i = offset + row * columns; i < offset + (row + 1) * columns; i++) {
        energy += (double) x[i] * x[i];
      }
      double weight = weights[weightsOffset + row];
      energies[row] = weight * weight * energy;
    }
    double[] sorted = energies.clone();
    Arrays.sort(sorted);
    double largest = rows == 0 ? 0 : LOUDEST * sorted[rows / 2];
    float[] bounded = Arrays.copyOfRange(weights, weightsOffset, weightsOffset + rows);
    for (int row = 0; row < rows; row++) {
      if (energies[row] > largest) {
        bounded[row] *= (float) Math.sqrt(largest / energies[row]);
      }
    }
    return bounded;
  }

  @Override
  public Optional<SecondMoments> moments(TensorKey reader) {
    Sum sum = sums.get(reader);
    return sum == null ? Optional.empty() : Optional.of(new SecondMoments(sum.rows, sum.blocks));
  }

  /** How much each expert of a layer saw. */
  List<ExpertCoverage> coverage(ModelConfig config, int layer) {
    List<ExpertCoverage> coverage = new ArrayList<>();
    for (int expert = 0; expert < config.expertCount(); expert++) {
      Sum sum = sums.get(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE));
      coverage.add(new ExpertCoverage(layer, expert, sum.rows, sum.mass));
    }
    return coverage;
  }
}
