package bora.converter.calibration;

import java.util.Arrays;

/**
 * Which tokens of a window go to which expert.
 *
 * @param rows by expert, the tokens in order
 * @param weights by expert, the routing weights of these tokens
 */
record ExpertRouting(int[][] rows, float[][] weights) {
  /**
   * Sorts choices by expert.
   *
   * @param experts [tokens, perToken]
   * @param weights of the choices
   */
  static ExpertRouting of(int expertCount, int perToken, int[] experts, float[] weights) {
    int[] counts = new int[expertCount];
    for (int expert : experts) {
      counts[expert]++;
    }
    ExpertRouting routing = new ExpertRouting(new int[expertCount][], new float[expertCount][]);
    for (int expert = 0; expert < expertCount; expert++) {
      routing.rows[expert] = new int[counts[expert]];
      routing.weights[expert] = new float[counts[expert]];
    }
    Arrays.fill(counts, 0);
    for (int choice = 0; choice < experts.length; choice++) {
      int expert = experts[choice];
      routing.rows[expert][counts[expert]] = choice / perToken;
      routing.weights[expert][counts[expert]++] = weights[choice];
    }
    return routing;
  }

  /** What each row of an expert counts for in sums over inputs; see {@link MomentSums}. */
  float[] sumWeights(int expert) {
    float[] counted = weights[expert].clone();
    if (counted.length > 0 && rows[expert][0] == 0) {
      counted[0] *= MomentSums.FIRST_TOKEN_FACTOR;
    }
    return counted;
  }

  /** The rows of an expert, one after the other. */
  float[] gather(int expert, float[] x, int width) {
    float[] gathered = new float[rows[expert].length * width];
    for (int i = 0; i < rows[expert].length; i++) {
      System.arraycopy(x, rows[expert][i] * width, gathered, i * width, width);
    }
    return gathered;
  }
}
