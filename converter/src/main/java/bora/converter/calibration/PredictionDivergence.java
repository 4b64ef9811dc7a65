package bora.converter.calibration;

import bora.converter.Workers;
import bora.formats.encoding.EncodedTensor;
import bora.formats.model.TensorKey;
import bora.runtime.LayerPass;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.function.Function;

/**
 * The mean Kullback-Leibler divergence of predictions from those of the float model, over the
 * second half of a window, where the context is long.
 */
final class PredictionDivergence {
  private final LayerPass pass;
  private final int vocabSize;
  private final int firstRow;
  private final int rows;
  private final int threads;
  private final float[] reference;
  private final float[] logits;
  private final double[] normalizers;

  PredictionDivergence(LayerPass pass, int vocabSize, int windowTokens, int threads) {
    this.pass = pass;
    this.vocabSize = vocabSize;
    this.firstRow = windowTokens / 2;
    this.rows = windowTokens - firstRow;
    this.threads = threads;
    reference = new float[Math.multiplyExact(rows, vocabSize)];
    logits = new float[reference.length];
    normalizers = new double[rows];
  }

  /** Sets the window's reference: the float model's output of the last layer. */
  void setReference(Function<TensorKey, EncodedTensor> tensors, float[] hidden) {
    pass.logits(tensors, firstRow, rows, hidden, 0, reference);
    for (int row = 0; row < rows; row++) {
      normalizers[row] = logSumExp(reference, row * vocabSize);
    }
  }

  /** The divergence of other outputs of the same window. */
  double of(Function<TensorKey, EncodedTensor> tensors, float[] hidden) throws IOException {
    pass.logits(tensors, firstRow, rows, hidden, 0, logits);
    double[] divergences = new double[rows];
    Queue<Workers.Task<Object>> tasks = new ArrayDeque<>();
    for (int thread = 0; thread < threads; thread++) {
      int first = thread;
      tasks.add(
          scratch -> {
            for (int row = first; row < rows; row += threads) {
              divergences[row] = divergence(row);
            }
          });
    }
    Workers.run(threads, Object::new, tasks);
    double sum = 0;
    for (double divergence : divergences) {
      sum += divergence;
    }
    return sum / rows;
  }

  private double divergence(int row) {
    int offset = row * vocabSize;
    double normalizer = logSumExp(logits, offset);
    double sum = 0;
    for (int i = offset; i < offset + vocabSize; i++) {
      double expected = reference[i] - normalizers[row];
      sum += Math.exp(expected) * (expected - (logits[i] - normalizer));
    }
    return sum;
  }

  private double logSumExp(float[] values, int offset) {
    double max = Double.NEGATIVE_INFINITY;
    for (int i = offset; i < offset + vocabSize; i++) {
      max = Math.max(max, values[i]);
    }
    double sum = 0;
    for (int i = offset; i < offset + vocabSize; i++) {
      sum += Math.exp(values[i] - max);
    }
    return max + Math.log(sum);
  }
}
