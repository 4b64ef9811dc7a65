package bora.quantizer;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.util.ArrayList;
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
 * <p>Folded columns have nearly the same size, that of 1; so weights that share a step along a row
 * are alike, and the folded weights do not depend on what anyone scaled by a power of two
 * beforehand. How loud a channel is has no say: rounding with feedback knows by itself, and folds
 * that did go by it were measured to do harm. What is loudest is often the same for all tokens, and
 * softmax and norm forgive that.
 */
final class ChannelFolds {
  /** Far from where products with other scales could leave the range of floats. */
  private static final int MAX_EXPONENT = 40;

  private final ModelConfig config;
  private final int layer;
  private final Function<TensorKey, WeightSource> weights;
  private final Map<TensorKey, int[]> columnExponents = new HashMap<>();
  private final Map<TensorKey, int[]> rowExponents = new HashMap<>();

  private ChannelFolds(ModelConfig config, int layer, Function<TensorKey, WeightSource> weights) {
    this.config = config;
    this.layer = layer;
    this.weights = weights;
  }

  /** Chooses the folds of a layer. Reads its weights. */
  static ChannelFolds of(ModelConfig config, int layer, Function<TensorKey, WeightSource> weights)
      throws IOException {
    ChannelFolds folds = new ChannelFolds(config, layer, weights);
    folds.foldAttention();
    folds.foldFeedForward();
    return folds;
  }

  private void foldAttention() throws IOException {
    TensorKey value = key(TensorRole.VALUE);
    TensorKey output = key(TensorRole.ATTENTION_OUTPUT);
    double[] sizes = columnSizes(output);
    double[] groupSizes = new double[config.kvWidth()];
    int[] valueRow = IntStream.range(0, config.queryWidth()).map(this::valueRow).toArray();
    int headsPerGroup = config.headCount() / config.kvHeadCount();
    for (int column = 0; column < valueRow.length; column++) {
      groupSizes[valueRow[column]] += sizes[column] / headsPerGroup;
    }
    int[] exponents = exponents(groupSizes);
    rowExponents.put(value, negated(exponents));
    columnExponents.put(output, IntStream.of(valueRow).map(row -> exponents[row]).toArray());
    List<TensorKey> readers = List.of(key(TensorRole.QUERY), key(TensorRole.KEY), value);
    foldNorm(key(TensorRole.ATTENTION_NORM), readers, List.of());
  }

  /** The row of v that a column of o reads: heads of a group share it. */
  private int valueRow(int column) {
    int kvHead = column / config.headDim() / (config.headCount() / config.kvHeadCount());
    return kvHead * config.headDim() + column % config.headDim();
  }

  private void foldFeedForward() throws IOException {
    List<TensorKey> readers = new ArrayList<>();
    for (int expert = 0; expert < config.expertCount(); expert++) {
      TensorKey up = TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP);
      TensorKey down = TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN);
      int[] exponents = exponents(columnSizes(down));
      rowExponents.put(up, negated(exponents));
      columnExponents.put(down, exponents);
      readers.add(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE));
      readers.add(up);
    }
    List<TensorKey> exact = config.hasRouter() ? List.of(key(TensorRole.ROUTER)) : List.of();
    foldNorm(key(TensorRole.FEED_FORWARD_NORM), readers, exact);
  }

  private void foldNorm(TensorKey norm, List<TensorKey> readers, List<TensorKey> exact)
      throws IOException {
    int[] exponents = exponents(commonSizes(readers));
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

  /** The sum of the squares of each column, rows as they are folded. */
  private double[] columnSizes(TensorKey key) throws IOException {
    WeightSource source = fold(weights.apply(key));
    double[] sizes = new double[source.shape().columns()];
    float[] row = new float[sizes.length];
    for (int r = 0; r < source.shape().rows(); r++) {
      source.readRows(r, 1, row, 0);
      for (int c = 0; c < row.length; c++) {
        sizes[c] += (double) row[c] * row[c];
      }
    }
    return sizes;
  }

  /**
   * The mean over matrices with the same columns, each in units of the geometric mean of its own;
   * then in units of the first one's. So columns that were scaled in all of them appear scaled.
   */
  private double[] commonSizes(List<TensorKey> keys) throws IOException {
    double[] common = new double[config.hiddenSize()];
    double firstLog = 0;
    for (TensorKey key : keys) {
      double[] sizes = columnSizes(key);
      double log = meanLog(sizes);
      firstLog = key.equals(keys.getFirst()) ? log : firstLog;
      for (int c = 0; c < common.length; c++) {
        common[c] += sizes[c] * StrictMath.exp(firstLog - log) / keys.size();
      }
    }
    return common;
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

  /** What brings squared sizes closest to 1. */
  private static int[] exponents(double[] sizes) {
    int[] exponents = new int[sizes.length];
    for (int c = 0; c < exponents.length; c++) {
      if (sizes[c] > 0) {
        double log2 = StrictMath.log(sizes[c]) / StrictMath.log(2);
        exponents[c] = Math.clamp(-Math.round(log2 / 2), -MAX_EXPONENT, MAX_EXPONENT);
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

  /** A tensor of the layer as it is folded. */
  public WeightSource fold(WeightSource source) {
    int[] columns = columnExponents.get(source.key());
    int[] rows = rowExponents.get(source.key());
    return columns == null && rows == null ? source : new FoldedWeights(source, columns, rows);
  }
}
