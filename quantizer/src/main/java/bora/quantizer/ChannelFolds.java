package bora.quantizer;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.calibration.MomentsSource;
import bora.quantizer.calibration.SecondMoments;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Powers of two that even out the channels of a layer before anything is rounded, and leave what it
 * computes as it is, bit for bit: a column times {@code 2^k} and what feeds it times {@code 2^-k}.
 * Folded are a norm's weight against the columns of q, k, v or of router, w1, w3; the rows of w3
 * against the columns of w2; the rows of v against the columns of o.
 *
 * <p>With steps shared along a row the loss goes as {@code (sum f^2 w^2)(sum d / f^2)}, w the size
 * of a column relative to the energies of its rows and d the energy of its input; least for {@code
 * f = (d / w^2)^(1/4)}, rounded to a power of two. Scaling a channel by a power of two beforehand
 * changes f by just that power, so the folded weights do not depend on it.
 */
public final class ChannelFolds {
  /** Far from where products with other scales could leave the range of floats. */
  private static final int MAX_EXPONENT = 40;

  private final ModelConfig config;
  private final int layer;
  private final Function<TensorKey, WeightSource> weights;
  private final MomentsSource moments;
  private final Map<TensorKey, int[]> columnExponents = new HashMap<>();
  private final Map<TensorKey, int[]> rowExponents = new HashMap<>();

  private ChannelFolds(
      ModelConfig config,
      int layer,
      Function<TensorKey, WeightSource> weights,
      MomentsSource moments) {
    this.config = config;
    this.layer = layer;
    this.weights = weights;
    this.moments = moments;
  }

  /**
   * Chooses the folds of a layer. Reads its weights.
   *
   * @param moments where there are none, an input's energies are estimated from the weights that
   *     feed it
   */
  public static ChannelFolds of(
      ModelConfig config,
      int layer,
      Function<TensorKey, WeightSource> weights,
      MomentsSource moments)
      throws IOException {
    ChannelFolds folds = new ChannelFolds(config, layer, weights, moments);
    folds.foldAttention();
    folds.foldFeedForward();
    return folds;
  }

  private void foldAttention() throws IOException {
    TensorKey norm = key(TensorRole.ATTENTION_NORM);
    TensorKey value = key(TensorRole.VALUE);
    TensorKey output = key(TensorRole.ATTENTION_OUTPUT);
    double[] energies = energies(List.of(key(TensorRole.QUERY)), squaredNorm(norm));
    List<TensorKey> readers = List.of(key(TensorRole.QUERY), key(TensorRole.KEY), value);
    foldNorm(norm, readers, List.of(), energies);

    double[] valueEnergies = rowEnergies(value, energies);
    int[] valueRow = IntStream.range(0, config.queryWidth()).map(this::valueRow).toArray();
    double[] fallback = IntStream.of(valueRow).mapToDouble(row -> valueEnergies[row]).toArray();
    double[] outputEnergies = energies(List.of(output), fallback);
    double[] sizes = columnSizes(List.of(output), outputEnergies);
    double[] groupEnergies = new double[config.kvWidth()];
    double[] groupSizes = new double[config.kvWidth()];
    for (int column = 0; column < valueRow.length; column++) {
      groupEnergies[valueRow[column]] += outputEnergies[column];
      groupSizes[valueRow[column]] += sizes[column];
    }
    int[] exponents = exponents(groupEnergies, groupSizes);
    rowExponents.put(value, negated(exponents));
    columnExponents.put(output, IntStream.of(valueRow).map(row -> exponents[row]).toArray());
  }

  /** The row of v that a column of o reads: heads of a group share it. */
  private int valueRow(int column) {
    int kvHead = column / config.headDim() / (config.headCount() / config.kvHeadCount());
    return kvHead * config.headDim() + column % config.headDim();
  }

  private void foldFeedForward() throws IOException {
    TensorKey norm = key(TensorRole.FEED_FORWARD_NORM);
    List<TensorKey> gates = experts(TensorRole.EXPERT_GATE);
    List<TensorKey> ups = experts(TensorRole.EXPERT_UP);
    double[] energies = energies(gates, squaredNorm(norm));
    List<TensorKey> readers = new java.util.ArrayList<>(gates);
    readers.addAll(ups);
    List<TensorKey> exact = config.hasRouter() ? List.of(key(TensorRole.ROUTER)) : List.of();
    foldNorm(norm, readers, exact, energies);
    for (int expert = 0; expert < config.expertCount(); expert++) {
      TensorKey up = ups.get(expert);
      TensorKey down = TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN);
      double[] downEnergies = energies(List.of(down), rowEnergies(up, energies));
      int[] exponents = exponents(downEnergies, columnSizes(List.of(down), downEnergies));
      rowExponents.put(up, negated(exponents));
      columnExponents.put(down, exponents);
    }
  }

  private void foldNorm(
      TensorKey norm, List<TensorKey> readers, List<TensorKey> exact, double[] energies)
      throws IOException {
    int[] exponents = exponents(energies, columnSizes(readers, energies));
    keepExact(norm, exponents, -1);
    for (TensorKey key : exact) {
      keepExact(key, exponents, 1);
      columnExponents.put(key, exponents);
    }
    readers.forEach(key -> columnExponents.put(key, exponents));
    columnExponents.put(norm, negated(exponents));
  }

  /** Leaves a channel alone where the fold would leave the range of normal numbers. */
  private void keepExact(TensorKey key, int[] exponents, int sign) throws IOException {
    WeightSource source = weights.apply(key);
    float[] row = new float[source.shape().columns()];
    for (int r = 0; r < source.shape().rows(); r++) {
      source.readRows(r, 1, row, 0);
      for (int c = 0; c < row.length; c++) {
        float folded = Math.scalb(row[c], sign * exponents[c]);
        boolean normal = Math.abs(folded) >= Float.MIN_NORMAL && Float.isFinite(folded);
        if (row[c] != 0 && !normal) {
          exponents[c] = 0;
        }
      }
    }
  }

  /** The mean energies of an input that several tensors' moments tell of; else the fallback. */
  private double[] energies(List<TensorKey> readers, double[] fallback) throws IOException {
    double[] sums = new double[fallback.length];
    double rows = 0;
    for (TensorKey reader : readers) {
      SecondMoments seen = moments.moments(reader).orElse(null);
      if (seen != null && !seen.isEmpty()) {
        double[] diagonal = seen.diagonal();
        for (int c = 0; c < sums.length; c++) {
          sums[c] += diagonal[c];
        }
        rows += seen.rows();
      }
    }
    if (rows == 0) {
      return fallback;
    }
    for (int c = 0; c < sums.length; c++) {
      sums[c] /= rows;
    }
    return sums;
  }

  private double[] squaredNorm(TensorKey norm) throws IOException {
    float[] values = new float[config.hiddenSize()];
    weights.apply(norm).readRows(0, 1, values, 0);
    double[] squares = new double[values.length];
    for (int c = 0; c < squares.length; c++) {
      squares[c] = (double) values[c] * values[c];
    }
    return squares;
  }

  /** The energy of each output, its inputs taken for independent. */
  private double[] rowEnergies(TensorKey key, double[] energies) throws IOException {
    WeightSource source = weights.apply(key);
    double[] outputs = new double[source.shape().rows()];
    float[] row = new float[source.shape().columns()];
    for (int r = 0; r < outputs.length; r++) {
      source.readRows(r, 1, row, 0);
      for (int c = 0; c < row.length; c++) {
        outputs[r] += (double) row[c] * row[c] * energies[c];
      }
    }
    return outputs;
  }

  /** The squared size of each column, every row relative to the energy of its output. */
  private double[] columnSizes(List<TensorKey> readers, double[] energies) throws IOException {
    double[] sizes = new double[energies.length];
    for (TensorKey key : readers) {
      WeightSource source = weights.apply(key);
      float[] row = new float[sizes.length];
      for (int r = 0; r < source.shape().rows(); r++) {
        source.readRows(r, 1, row, 0);
        double output = 0;
        for (int c = 0; c < row.length; c++) {
          output += (double) row[c] * row[c] * energies[c];
        }
        for (int c = 0; output > 0 && c < row.length; c++) {
          sizes[c] += (double) row[c] * row[c] / output;
        }
      }
    }
    return sizes;
  }

  private static int[] exponents(double[] energies, double[] sizes) {
    int[] exponents = new int[energies.length];
    for (int c = 0; c < exponents.length; c++) {
      if (energies[c] > 0 && sizes[c] > 0) {
        double log2 = StrictMath.log(energies[c] / sizes[c]) / StrictMath.log(2);
        exponents[c] = Math.clamp(Math.round(log2 / 4), -MAX_EXPONENT, MAX_EXPONENT);
      }
    }
    return exponents;
  }

  private static int[] negated(int[] exponents) {
    return IntStream.of(exponents).map(exponent -> -exponent).toArray();
  }

  private TensorKey key(TensorRole role) {
    return TensorKey.ofLayer(layer, role);
  }

  private List<TensorKey> experts(TensorRole role) {
    return IntStream.range(0, config.expertCount())
        .mapToObj(expert -> TensorKey.ofExpert(layer, expert, role))
        .toList();
  }

  /** A tensor of the layer as it is folded. */
  public WeightSource fold(WeightSource source) {
    int[] columns = columnExponents.get(source.key());
    int[] rows = rowExponents.get(source.key());
    return columns == null && rows == null ? source : new FoldedWeights(source, columns, rows);
  }

  /** The moments of an input of the layer as it is folded. */
  public SecondMoments fold(TensorKey reader, SecondMoments seen) {
    int[] columns = columnExponents.get(reader);
    return columns == null ? seen : seen.scaled(columns);
  }
}
