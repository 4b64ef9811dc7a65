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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * Adds up the second moments of some inputs while a model runs, each row weighted by the square of
 * its routing weight. The first position of a window, which stands for the start of a text and can
 * be far louder than all others, is left out.
 */
final class MomentSums implements LinearInputObserver, MomentsSource {
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
  public int firstPosition() {
    return 1;
  }

  @Override
  public void inputs(
      TensorKey reader, int rows, float[] x, int offset, float[] weights, int weightsOffset) {
    Sum sum = sums.get(reader);
    for (int row = 0; row < rows; row++) {
      float weight = weights[weightsOffset + row];
      sum.rows += weight > 0 ? 1 : 0;
      sum.mass += weight;
    }
    int first = 0;
    for (double[][] block : sum.blocks) {
      gramProduct.add(x, offset + first, sum.columns, rows, weights, weightsOffset, block);
      first += block.length;
    }
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
