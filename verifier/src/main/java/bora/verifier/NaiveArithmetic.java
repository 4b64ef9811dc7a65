package bora.verifier;

import java.util.Arrays;
import java.util.stream.IntStream;

/** The arithmetic of the {@link ReferenceModel}: float32 weights, all else double. */
final class NaiveArithmetic {
  private NaiveArithmetic() {}

  /** {@code y = W x} for every input x; W is row-major. */
  static double[][] multiply(float[] matrix, int rows, double[][] inputs) {
    double[][] outputs = new double[inputs.length][rows];
    IntStream.range(0, rows)
        .parallel()
        .forEach(
            row -> {
              for (int t = 0; t < inputs.length; t++) {
                outputs[t][row] = dot(matrix, row * inputs[t].length, inputs[t]);
              }
            });
    return outputs;
  }

  /** Four sums, because one alone waits for its own last addition. */
  private static double dot(float[] matrix, int offset, double[] x) {
    double sum0 = 0;
    double sum1 = 0;
    double sum2 = 0;
    double sum3 = 0;
    int i = 0;
    for (; i + 3 < x.length; i += 4) {
      sum0 += matrix[offset + i] * x[i];
      sum1 += matrix[offset + i + 1] * x[i + 1];
      sum2 += matrix[offset + i + 2] * x[i + 2];
      sum3 += matrix[offset + i + 3] * x[i + 3];
    }
    for (; i < x.length; i++) {
      sum0 += matrix[offset + i] * x[i];
    }
    return sum0 + sum1 + (sum2 + sum3);
  }

  /** Shares that sum to 1; minus infinity has none. */
  static double[] softmax(double[] logits) {
    double max = Arrays.stream(logits).max().orElseThrow();
    double[] shares = Arrays.stream(logits).map(logit -> Math.exp(logit - max)).toArray();
    double sum = Arrays.stream(shares).sum();
    return Arrays.stream(shares).map(share -> share / sum).toArray();
  }

  /** Adds terms to sums, in place. */
  static void add(double[][] sums, double[][] terms) {
    for (int t = 0; t < sums.length; t++) {
      for (int i = 0; i < sums[t].length; i++) {
        sums[t][i] += terms[t][i];
      }
    }
  }

  static double[] widen(float[] values) {
    double[] wide = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      wide[i] = values[i];
    }
    return wide;
  }
}
