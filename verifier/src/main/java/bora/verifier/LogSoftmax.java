package bora.verifier;

/** The log of the sum of exp, in double: a log-probability is a logit less that. */
final class LogSoftmax {
  private LogSoftmax() {}

  /** Of one position's logits. */
  static double logSum(PositionValues logits, int position) {
    float[] values = logits.values();
    int first = logits.offset(position);
    int end = logits.offset(position + 1);
    double max = max(values, first, end);
    double sum = 0;
    for (int i = first; i < end; i++) {
      sum += Math.exp(values[i] - max);
    }
    return max + Math.log(sum);
  }

  /**
   * The same, and the probabilities.
   *
   * @param probabilities receives one for every logit
   */
  static double logSum(PositionValues logits, int position, double[] probabilities) {
    float[] values = logits.values();
    int first = logits.offset(position);
    double max = max(values, first, logits.offset(position + 1));
    double sum = 0;
    for (int i = 0; i < probabilities.length; i++) {
      probabilities[i] = Math.exp(values[first + i] - max);
      sum += probabilities[i];
    }
    for (int i = 0; i < probabilities.length; i++) {
      probabilities[i] /= sum;
    }
    return max + Math.log(sum);
  }

  private static double max(float[] values, int first, int end) {
    double max = Double.NEGATIVE_INFINITY;
    for (int i = first; i < end; i++) {
      max = Math.max(max, values[i]);
    }
    return max;
  }
}
