package bora.verifier;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/**
 * The powers of two by which the channels of one layer are scaled in a calibrated pack, as {@code
 * docs/fidelity.md} ("Channels first") defines them by the checkpoint's weights alone. Sums are in
 * double, rows in their order, so that a tie falls the same way for everyone.
 */
final class LayerFolds {
  private static final int MAX_EXPONENT = 40;

  private final WeightSource checkpoint;
  private final ModelConfig config;
  private final SequencedMap<TensorKey, TensorShape> shapes;
  private final int layer;
  private final Map<TensorKey, int[]> columnExponents = new HashMap<>();
  private final Map<TensorKey, int[]> rowExponents = new HashMap<>();

  private LayerFolds(WeightSource checkpoint, int layer) {
    this.checkpoint = checkpoint;
    this.config = checkpoint.config();
    this.shapes = config.tensors();
    this.layer = layer;
  }

  /** Reads all weights of the layer. */
  static LayerFolds of(WeightSource checkpoint, int layer) throws IOException {
    LayerFolds folds = new LayerFolds(checkpoint, layer);
    folds.defineAttention();
    folds.defineFeedForward();
    return folds;
  }

  private TensorKey key(TensorRole role) {
    return TensorKey.ofLayer(layer, role);
  }

  private void defineAttention() throws IOException {
    TensorKey value = key(TensorRole.VALUE);
    TensorKey output = key(TensorRole.ATTENTION_OUTPUT);
    int headsPerGroup = config.headCount() / config.kvHeadCount();
    int[] valueRow =
        IntStream.range(0, config.queryWidth())
            .map(
                column ->
                    column / config.headDim() / headsPerGroup * config.headDim()
                        + column % config.headDim())
            .toArray();
    double[] sizes = columnSizes(output);
    double[] shared = new double[config.kvWidth()];
    for (int column = 0; column < valueRow.length; column++) {
      shared[valueRow[column]] += sizes[column] / headsPerGroup;
    }
    int[] exponents = evening(shared);
    rowExponents.put(value, negated(exponents));
    columnExponents.put(output, IntStream.of(valueRow).map(row -> exponents[row]).toArray());
    List<TensorKey> readers = List.of(key(TensorRole.QUERY), key(TensorRole.KEY), value);
    defineNorm(key(TensorRole.ATTENTION_NORM), readers, List.of());
  }

  private void defineFeedForward() throws IOException {
    List<TensorKey> readers = new ArrayList<>();
    for (int expert = 0; expert < config.expertCount(); expert++) {
      TensorKey up = TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP);
      TensorKey down = TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN);
      int[] exponents = evening(columnSizes(down));
      rowExponents.put(up, negated(exponents));
      columnExponents.put(down, exponents);
      readers.add(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE));
      readers.add(up);
    }
    defineNorm(
        key(TensorRole.FEED_FORWARD_NORM),
        readers,
        config.hasRouter() ? List.of(key(TensorRole.ROUTER)) : List.of());
  }

  /**
   * @param routers read the norm too, and have no say in the power
   */
  private void defineNorm(TensorKey norm, List<TensorKey> readers, List<TensorKey> routers)
      throws IOException {
    int[] exponents = evening(meanSizes(readers));
    clearWhereInexact(norm, exponents, -1);
    for (TensorKey router : routers) {
      clearWhereInexact(router, exponents, 1);
      columnExponents.put(router, exponents);
    }
    columnExponents.put(norm, negated(exponents));
    readers.forEach(reader -> columnExponents.put(reader, exponents));
  }

  /** A channel stays as it is where a number of norm or router would not stay normal. */
  private void clearWhereInexact(TensorKey key, int[] exponents, int sign) throws IOException {
    float[] row = new float[exponents.length];
    for (int r = 0; r < shapes.get(key).rows(); r++) {
      checkpoint.readRows(key, r, 1, row, 0);
      for (int column = 0; column < row.length; column++) {
        float magnitude = Math.abs(Math.scalb(row[column], sign * exponents[column]));
        if (row[column] != 0 && !(magnitude >= Float.MIN_NORMAL && magnitude <= Float.MAX_VALUE)) {
          exponents[column] = 0;
        }
      }
    }
  }

  /** The sum of the squares of every column, rows scaled as they are in the pack. */
  private double[] columnSizes(TensorKey key) throws IOException {
    TensorShape shape = shapes.get(key);
    int[] rows = rowExponents.get(key);
    double[] sizes = new double[shape.columns()];
    float[] row = new float[sizes.length];
    for (int r = 0; r < shape.rows(); r++) {
      checkpoint.readRows(key, r, 1, row, 0);
      for (int column = 0; column < row.length; column++) {
        double weight = rows == null ? row[column] : Math.scalb(row[column], rows[r]);
        sizes[column] += weight * weight;
      }
    }
    return sizes;
  }

  /** Of several matrices, each in units of the geometric mean of its columns, then of the first. */
  private double[] meanSizes(List<TensorKey> keys) throws IOException {
    double[] mean = new double[config.hiddenSize()];
    double firstLog = Double.NaN;
    for (TensorKey key : keys) {
      double[] sizes = columnSizes(key);
      double log = meanLog(sizes);
      firstLog = Double.isNaN(firstLog) ? log : firstLog;
      for (int column = 0; column < mean.length; column++) {
        mean[column] += sizes[column] * StrictMath.exp(firstLog - log) / keys.size();
      }
    }
    return mean;
  }

  private static double meanLog(double[] sizes) {
    double sum = 0;
    int count = 0;
    for (double size : sizes) {
      if (size > 0) {
        sum += StrictMath.log(size);
        count++;
      }
    }
    return count == 0 ? 0 : sum / count;
  }

  /** The powers that bring the roots of the sizes closest to 1; none for nothing. */
  private static int[] evening(double[] sizes) {
    int[] exponents = new int[sizes.length];
    for (int i = 0; i < exponents.length; i++) {
      if (sizes[i] > 0) {
        double log2 = StrictMath.log(sizes[i]) / StrictMath.log(2);
        exponents[i] = Math.clamp(-Math.round(log2 / 2), -MAX_EXPONENT, MAX_EXPONENT);
      }
    }
    return exponents;
  }

  private static int[] negated(int[] exponents) {
    return IntStream.of(exponents).map(exponent -> -exponent).toArray();
  }

  /** Scales rows of the checkpoint as the pack has them. */
  void apply(TensorKey key, int row, int count, float[] values, int offset) {
    int columns = shapes.get(key).columns();
    int[] byColumn = columnExponents.get(key);
    int[] byRow = rowExponents.get(key);
    for (int i = 0; i < count; i++) {
      int ofRow = byRow == null ? 0 : byRow[row + i];
      for (int column = 0; column < columns; column++) {
        int at = offset + i * columns + column;
        int exponent = ofRow + (byColumn == null ? 0 : byColumn[column]);
        values[at] = Math.scalb(values[at], exponent);
      }
    }
  }
}
