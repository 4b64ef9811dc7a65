package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.util.Arrays;
import java.util.Comparator;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * The forward pass as the papers write it, in double, one position after the other, without a cache
 * of limited size, batches or kernels.
 */
final class NaiveForward {
  private final ModelConfig config;
  private final Function<TensorKey, EncodedTensor> tensors;
  private final RoutingSource routing;

  /** [index][position]; see {@link ForwardObserver#hidden}. */
  final double[][][] hidden;

  /** [layer][position]. */
  final double[][][] routerLogits;

  /** [position]. */
  final double[][] logits;

  NaiveForward(RandomModel model, RoutingSource routing, int[] tokens) {
    config = model.config();
    tensors = model.tensors()::get;
    this.routing = routing;
    hidden = new double[config.layerCount() + 1][tokens.length][];
    routerLogits = new double[config.layerCount()][tokens.length][];
    logits = new double[tokens.length][];
    run(tokens);
  }

  private void run(int[] tokens) {
    double[][] embedding = matrix(TensorKey.ofModel(TensorRole.EMBEDDING));
    double[][] x =
        Arrays.stream(tokens).mapToObj(t -> embedding[t].clone()).toArray(double[][]::new);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      hidden[layer] = copy(x);
      addAttention(layer, x);
      for (int position = 0; position < x.length; position++) {
        addFeedForward(layer, position, x[position]);
      }
    }
    double[][] head =
        config.tiedEmbeddings() ? embedding : matrix(TensorKey.ofModel(TensorRole.LM_HEAD));
    for (int position = 0; position < x.length; position++) {
      double[] normalized = norm(TensorKey.ofModel(TensorRole.OUTPUT_NORM), x[position]);
      hidden[config.layerCount()][position] = normalized;
      logits[position] = times(head, normalized);
    }
  }

  private void addAttention(int layer, double[][] x) {
    int n = x.length;
    double[][] q = new double[n][];
    double[][] k = new double[n][];
    double[][] v = new double[n][];
    for (int i = 0; i < n; i++) {
      double[] normalized = norm(TensorKey.ofLayer(layer, TensorRole.ATTENTION_NORM), x[i]);
      q[i] = rotate(times(matrix(TensorKey.ofLayer(layer, TensorRole.QUERY)), normalized), i);
      k[i] = rotate(times(matrix(TensorKey.ofLayer(layer, TensorRole.KEY)), normalized), i);
      v[i] = times(matrix(TensorKey.ofLayer(layer, TensorRole.VALUE)), normalized);
    }
    int d = config.headDim();
    for (int i = 0; i < n; i++) {
      double[] attended = new double[config.queryWidth()];
      for (int head = 0; head < config.headCount(); head++) {
        int kvHead = head * config.kvHeadCount() / config.headCount();
        double[] weights = new double[i + 1];
        for (int j = 0; j <= i; j++) {
          double score = 0;
          for (int c = 0; c < d; c++) {
            score += q[i][head * d + c] * k[j][kvHead * d + c];
          }
          boolean visible = i - j < config.slidingWindow().orElse(Integer.MAX_VALUE);
          weights[j] = visible ? score / Math.sqrt(d) : Double.NEGATIVE_INFINITY;
        }
        weights = softmax(weights);
        for (int j = 0; j <= i; j++) {
          for (int c = 0; c < d; c++) {
            attended[head * d + c] += weights[j] * v[j][kvHead * d + c];
          }
        }
      }
      double[][] output = matrix(TensorKey.ofLayer(layer, TensorRole.ATTENTION_OUTPUT));
      add(1, times(output, attended), x[i]);
    }
  }

  private void addFeedForward(int layer, int position, double[] x) {
    double[] normalized = norm(TensorKey.ofLayer(layer, TensorRole.FEED_FORWARD_NORM), x);
    if (!config.hasRouter()) {
      add(1, expert(layer, 0, normalized), x);
      return;
    }
    double[] router = times(matrix(TensorKey.ofLayer(layer, TensorRole.ROUTER)), normalized);
    routerLogits[layer][position] = router;
    double[] probabilities = softmax(router);
    int[] chosen = routing.expertsOf(layer, position);
    if (chosen.length == 0) {
      chosen =
          IntStream.range(0, config.expertCount())
              .boxed()
              .sorted(Comparator.comparingDouble(e -> -probabilities[e]))
              .limit(config.expertsPerToken())
              .mapToInt(Integer::intValue)
              .toArray();
    }
    double sum = Arrays.stream(chosen).mapToDouble(e -> probabilities[e]).sum();
    for (int e : chosen) {
      add(probabilities[e] / sum, expert(layer, e, normalized), x);
    }
  }

  private double[] expert(int layer, int expert, double[] x) {
    double[] gate = times(matrix(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE)), x);
    double[] up = times(matrix(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP)), x);
    for (int i = 0; i < gate.length; i++) {
      gate[i] = gate[i] / (1 + Math.exp(-gate[i])) * up[i];
    }
    return times(matrix(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN)), gate);
  }

  private double[] rotate(double[] heads, int position) {
    int d = config.headDim();
    double[] rotated = new double[heads.length];
    for (int i = 0; i < heads.length; i++) {
      int c = i % d;
      double angle = position * Math.pow(config.ropeTheta(), -2.0 * (c % (d / 2)) / d);
      double partner = c < d / 2 ? -heads[i + d / 2] : heads[i - d / 2];
      rotated[i] = heads[i] * Math.cos(angle) + partner * Math.sin(angle);
    }
    return rotated;
  }

  private double[] norm(TensorKey key, double[] x) {
    double meanSquare = Arrays.stream(x).map(value -> value * value).average().getAsDouble();
    double[] weight = matrix(key)[0];
    double[] normalized = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      normalized[i] = x[i] / Math.sqrt(meanSquare + config.rmsNormEps()) * weight[i];
    }
    return normalized;
  }

  private double[][] matrix(TensorKey key) {
    EncodedTensor tensor = tensors.apply(key);
    float[] row = new float[tensor.shape().columns()];
    double[][] matrix = new double[tensor.shape().rows()][row.length];
    for (int r = 0; r < matrix.length; r++) {
      tensor.decodeRow(r, row, 0);
      for (int c = 0; c < row.length; c++) {
        matrix[r][c] = row[c];
      }
    }
    return matrix;
  }

  private static double[] times(double[][] matrix, double[] x) {
    return Arrays.stream(matrix)
        .mapToDouble(row -> IntStream.range(0, x.length).mapToDouble(c -> row[c] * x[c]).sum())
        .toArray();
  }

  private static double[] softmax(double[] x) {
    double max = Arrays.stream(x).max().getAsDouble();
    double sum = Arrays.stream(x).map(value -> Math.exp(value - max)).sum();
    return Arrays.stream(x).map(value -> Math.exp(value - max) / sum).toArray();
  }

  private static void add(double scale, double[] y, double[] x) {
    for (int i = 0; i < x.length; i++) {
      x[i] += scale * y[i];
    }
  }

  private static double[][] copy(double[][] rows) {
    return Arrays.stream(rows).map(double[]::clone).toArray(double[][]::new);
  }
}
