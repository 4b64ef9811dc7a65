package bora.verifier;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import bora.formats.pack.PackReader;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The powers of two by which a calibrated pack scaled the channels of one layer. A norm keeps all
 * its bits, so the ratio of its weights tells those of the columns that read it. Between two
 * quantized matrices it is the one that {@code docs/fidelity.md} defines by the columns' sizes, if
 * the gains of both sides allow it; else the one nearest to both.
 */
final class LayerFolds {
  private static final int MAX_EXPONENT = 40;

  private final WeightSource checkpoint;
  private final PackReader pack;
  private final ModelConfig config;
  private final int layer;
  private final Map<TensorKey, int[]> columnExponents = new HashMap<>();
  private final Map<TensorKey, int[]> rowExponents = new HashMap<>();

  /** Sums by row and column of one matrix: what tells how much louder it is in the pack. */
  private record Gains(double[] products, double[] squares) {
    double log2(int index) {
      return Math.log(products[index] / squares[index]) / Math.log(2);
    }
  }

  private LayerFolds(WeightSource checkpoint, PackReader pack, int layer) {
    this.checkpoint = checkpoint;
    this.pack = pack;
    this.config = pack.config();
    this.layer = layer;
  }

  static LayerFolds of(WeightSource checkpoint, PackReader pack, int layer) throws IOException {
    LayerFolds folds = new LayerFolds(checkpoint, pack, layer);
    TensorKey value = folds.key(TensorRole.VALUE);
    folds.findOfNorm(
        TensorRole.ATTENTION_NORM,
        List.of(folds.key(TensorRole.QUERY), folds.key(TensorRole.KEY), value));
    folds.findBetween(value, folds.key(TensorRole.ATTENTION_OUTPUT), folds.valueRows());
    List<TensorKey> gates =
        IntStream.range(0, folds.config.expertCount())
            .mapToObj(expert -> TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE))
            .toList();
    folds.findOfNorm(TensorRole.FEED_FORWARD_NORM, gates);
    int[] exponents = folds.columnExponents.get(gates.getFirst());
    if (folds.config.hasRouter()) {
      folds.columnExponents.put(folds.key(TensorRole.ROUTER), exponents);
    }
    int[] straight = IntStream.range(0, folds.config.intermediateSize()).toArray();
    for (int expert = 0; expert < folds.config.expertCount(); expert++) {
      TensorKey up = TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP);
      folds.columnExponents.put(up, exponents);
      folds.findBetween(up, TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN), straight);
    }
    return folds;
  }

  private TensorKey key(TensorRole role) {
    return TensorKey.ofLayer(layer, role);
  }

  /** The row of v that each column of o reads: heads of a group share it. */
  private int[] valueRows() {
    int headsPerGroup = config.headCount() / config.kvHeadCount();
    return IntStream.range(0, config.queryWidth())
        .map(
            column ->
                column / config.headDim() / headsPerGroup * config.headDim()
                    + column % config.headDim())
        .toArray();
  }

  private void findOfNorm(TensorRole role, List<TensorKey> readers) throws IOException {
    float[] expected = new float[config.hiddenSize()];
    float[] found = new float[expected.length];
    checkpoint.readRows(key(role), 0, 1, expected, 0);
    pack.tensor(key(role)).decodeRow(0, found, 0);
    Gains[] ofFirst = new Gains[1];
    int[] exponents = new int[expected.length];
    for (int column = 0; column < exponents.length; column++) {
      if (expected[column] != 0) {
        exponents[column] = rounded(Math.log(expected[column] / found[column]) / Math.log(2));
        continue;
      }
      // Nothing passes here, and the norm does not tell.
      if (ofFirst[0] == null) {
        ofFirst[0] = columnGains(readers.getFirst(), null);
      }
      exponents[column] = rounded(ofFirst[0].log2(column));
    }
    columnExponents.put(key(role), IntStream.of(exponents).map(exponent -> -exponent).toArray());
    readers.forEach(reader -> columnExponents.put(reader, exponents));
  }

  /**
   * @param rowOf the row of {@code source} that feeds each column of {@code reader}
   */
  private void findBetween(TensorKey source, TensorKey reader, int[] rowOf) throws IOException {
    Gains rows = rowGains(source);
    Gains columns = columnGains(reader, rowOf);
    int columnsPerRow = rowOf.length / rows.products.length;
    int[] exponents = new int[rows.products.length];
    for (int row = 0; row < exponents.length; row++) {
      double defined =
          Math.clamp(
              -Math.round(Math.log(columns.squares[row] / columnsPerRow) / Math.log(2) / 2),
              -MAX_EXPONENT,
              MAX_EXPONENT);
      double seen = (columns.log2(row) - rows.log2(row)) / 2;
      exponents[row] = rounded(Math.abs(seen - defined) < 1 ? defined : seen);
    }
    rowExponents.put(source, IntStream.of(exponents).map(exponent -> -exponent).toArray());
    columnExponents.put(reader, IntStream.of(rowOf).map(row -> exponents[row]).toArray());
  }

  /** Of zeros, or of what has nothing to do with the other, there is none. */
  private static int rounded(double exponent) {
    return Double.isFinite(exponent)
        ? Math.clamp(Math.round(exponent), -MAX_EXPONENT, MAX_EXPONENT)
        : 0;
  }

  /** By row, columns as they were folded. */
  private Gains rowGains(TensorKey key) throws IOException {
    TensorShape shape = pack.tensor(key).shape();
    float[] expected = new float[shape.columns()];
    float[] found = new float[shape.columns()];
    Gains gains = new Gains(new double[shape.rows()], new double[shape.rows()]);
    for (int row = 0; row < shape.rows(); row++) {
      checkpoint.readRows(key, row, 1, expected, 0);
      scale(columnExponents.get(key), 0, expected, 0);
      pack.tensor(key).decodeRow(row, found, 0);
      for (int column = 0; column < found.length; column++) {
        gains.products[row] += (double) found[column] * expected[column];
        gains.squares[row] += (double) expected[column] * expected[column];
      }
    }
    return gains;
  }

  /**
   * By column.
   *
   * @param group under which index a column is added up; null for its own
   */
  private Gains columnGains(TensorKey key, int[] group) throws IOException {
    TensorShape shape = pack.tensor(key).shape();
    float[] expected = new float[shape.columns()];
    float[] found = new float[shape.columns()];
    int groups = group == null ? shape.columns() : IntStream.of(group).max().orElseThrow() + 1;
    Gains gains = new Gains(new double[groups], new double[groups]);
    for (int row = 0; row < shape.rows(); row++) {
      checkpoint.readRows(key, row, 1, expected, 0);
      pack.tensor(key).decodeRow(row, found, 0);
      for (int column = 0; column < found.length; column++) {
        int index = group == null ? column : group[column];
        gains.products[index] += (double) found[column] * expected[column];
        gains.squares[index] += (double) expected[column] * expected[column];
      }
    }
    return gains;
  }

  /** Scales rows of the checkpoint as the pack did. */
  void apply(TensorKey key, int row, int count, float[] values, int offset) {
    int columns = pack.tensor(key).shape().columns();
    int[] rows = rowExponents.get(key);
    for (int i = 0; i < count; i++) {
      int rowExponent = rows == null ? 0 : rows[row + i];
      scale(columnExponents.get(key), rowExponent, values, offset + i * columns);
    }
  }

  private static void scale(int[] columns, int rowExponent, float[] values, int offset) {
    if (columns == null) {
      return;
    }
    for (int column = 0; column < columns.length; column++) {
      int at = offset + column;
      values[at] = Math.scalb(values[at], columns[column] + rowExponent);
    }
  }
}
