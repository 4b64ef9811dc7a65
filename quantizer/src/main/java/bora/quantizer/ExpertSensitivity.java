package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;

/**
 * How much the output of each expert suffers from coarse codes, judged by a sample of its weights
 * alone. Only scores of one layer compare.
 *
 * <p>With g the weight of the feed-forward norm, channel j of an expert's hidden layer gets {@code
 * silu(w1_j g x) * (w3_j g x)} and leaves through column j of w2. For inputs x of unit variance its
 * energy in the output goes as {@code |w1_j g|^2 |w3_j g|^2 |w2_j|^2}; the score is the mean of
 * that over the sampled channels, times the relative squared errors of the three matrices in q4.
 * Every factor is taken after g went into the columns of w1 and w3, and {@code |w3_j g|} into
 * column j of w2, so moving a power of two from one to the other, which leaves the model as it is,
 * leaves the score as it is, bit for bit.
 */
final class ExpertSensitivity {
  private final ModelConfig config;
  private final Function<TensorKey, WeightSource> weights;
  private final ScalarQuantizer quantizer = new ScalarQuantizer(Encoding.Q4);
  private final LaneGroup group = new LaneGroup(Encoding.Q4.rowsPerPanel());

  ExpertSensitivity(ModelConfig config, Function<TensorKey, WeightSource> weights) {
    this.config = config;
    this.weights = weights;
  }

  /** The score of every expert of a layer. */
  double[] scores(int layer) throws IOException {
    float[] norm = new float[config.hiddenSize()];
    weights.apply(TensorKey.ofLayer(layer, TensorRole.FEED_FORWARD_NORM)).readRows(0, 1, norm, 0);
    double[] scores = new double[config.expertCount()];
    for (int expert = 0; expert < scores.length; expert++) {
      scores[expert] = score(layer, expert, norm);
    }
    return scores;
  }

  private double score(int layer, int expert, float[] norm) throws IOException {
    int[] channels = SampledMatrix.sampledIndices(config.intermediateSize());
    int[] outputs = SampledMatrix.sampledIndices(config.hiddenSize());
    SampledMatrix gate =
        sampleRows(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE), channels);
    SampledMatrix up =
        sampleRows(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP), channels);
    SampledMatrix down =
        sample(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN), outputs, channels);
    gate.scaleColumns(norm);
    up.scaleColumns(norm);
    down.scaleColumns(roots(up.rowSquares()));
    double[] gateEnergy = gate.rowSquares();
    double[] downEnergy = down.columnSquares();
    double energy = 0;
    for (int i = 0; i < channels.length; i++) {
      energy += gateEnergy[i] * downEnergy[i];
    }
    double error = relativeError(gate) + relativeError(up) + relativeError(down);
    return error * energy / channels.length;
  }

  private static float[] roots(double[] squares) {
    float[] roots = new float[squares.length];
    for (int i = 0; i < roots.length; i++) {
      roots[i] = (float) Math.sqrt(squares[i]);
    }
    return roots;
  }

  private SampledMatrix sampleRows(TensorKey key, int[] rows) throws IOException {
    WeightSource source = weights.apply(key);
    int columns = source.shape().columns();
    float[] values = new float[Math.multiplyExact(rows.length, columns)];
    for (int i = 0; i < rows.length; i++) {
      source.readRows(rows[i], 1, values, i * columns);
    }
    return new SampledMatrix(key, TensorShape.matrix(rows.length, columns), values);
  }

  private SampledMatrix sample(TensorKey key, int[] rows, int[] columns) throws IOException {
    WeightSource source = weights.apply(key);
    float[] row = new float[source.shape().columns()];
    float[] values = new float[rows.length * columns.length];
    for (int i = 0; i < rows.length; i++) {
      source.readRows(rows[i], 1, row, 0);
      for (int j = 0; j < columns.length; j++) {
        values[i * columns.length + j] = row[columns[j]];
      }
    }
    return new SampledMatrix(key, TensorShape.matrix(rows.length, columns.length), values);
  }

  /** The mean over the rows of their squared error in q4, relative to each row's own energy. */
  private double relativeError(SampledMatrix matrix) throws IOException {
    double[] energy = matrix.rowSquares();
    long panelBytes = Encoding.Q4.panelBytes(matrix.shape().columns());
    double sum = 0;
    for (int row = 0; row < matrix.shape().rows(); row += group.rowCount()) {
      group.read(matrix, row, Encoding.Q4.rowsPerPanel());
      quantizer.encode(group, MemorySegment.ofArray(new byte[Math.toIntExact(panelBytes)]));
      for (int lane = 0; lane < group.rowCount(); lane++) {
        if (energy[row + lane] > 0) {
          sum += quantizer.squaredError(lane) / energy[row + lane];
        }
      }
    }
    return sum / matrix.shape().rows();
  }
}
