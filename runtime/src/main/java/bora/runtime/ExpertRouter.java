package bora.runtime;

import java.util.Arrays;

/**
 * The one definition of routing: the experts with the largest logits, the lower index first among
 * equals, weighted by their softmax probabilities renormalized to the sum 1.
 *
 * <p>transformers (modeling_mixtral.py) takes the softmax over all experts, the largest of it, and
 * renormalizes. The softmax keeps the order, and its denominator cancels; so here the softmax is
 * taken over the chosen experts alone, which cannot underflow to 0/0 when a choice is imposed.
 */
final class ExpertRouter {
  private final int expertCount;
  private final int expertsPerToken;

  ExpertRouter(int expertCount, int expertsPerToken) {
    this.expertCount = expertCount;
    this.expertsPerToken = expertsPerToken;
  }

  /**
   * Chooses the experts of one token by rank, the best first.
   *
   * @param experts receives {@code expertsPerToken} expert indices from {@code offset}
   * @throws ArithmeticException when the logits are not finite
   */
  void choose(float[] logits, int logitsOffset, int[] experts, int offset) {
    for (int rank = 0; rank < expertsPerToken; rank++) {
      int best = -1;
      for (int expert = 0; expert < expertCount; expert++) {
        float logit = logits[logitsOffset + expert];
        if (!Float.isFinite(logit)) {
          throw new ArithmeticException("router logit of expert " + expert + " is " + logit);
        }
        if ((best < 0 || logit > logits[logitsOffset + best])
            && !contains(experts, offset, rank, expert)) {
          best = expert;
        }
      }
      experts[offset + rank] = best;
    }
  }

  private static boolean contains(int[] experts, int offset, int count, int expert) {
    for (int i = 0; i < count; i++) {
      if (experts[offset + i] == expert) {
        return true;
      }
    }
    return false;
  }

  /**
   * Takes over a choice made elsewhere.
   *
   * @throws IllegalArgumentException when it is not {@code expertsPerToken} different experts
   */
  void impose(int[] imposed, int[] experts, int offset) {
    if (imposed.length != expertsPerToken) {
      throw new IllegalArgumentException(
          "imposed routing: expected " + expertsPerToken + " experts, found " + imposed.length);
    }
    for (int rank = 0; rank < expertsPerToken; rank++) {
      int expert = imposed[rank];
      if (expert < 0 || expert >= expertCount || contains(experts, offset, rank, expert)) {
        throw new IllegalArgumentException(
            "imposed routing: expected different experts below "
                + expertCount
                + ", found "
                + Arrays.toString(imposed));
      }
      experts[offset + rank] = expert;
    }
  }

  /**
   * Computes the weights of the chosen experts.
   *
   * @param weights receives {@code expertsPerToken} weights from {@code offset}; their sum is 1
   */
  void weigh(float[] logits, int logitsOffset, int[] experts, float[] weights, int offset) {
    float max = Float.NEGATIVE_INFINITY;
    for (int rank = 0; rank < expertsPerToken; rank++) {
      max = Math.max(max, logits[logitsOffset + experts[offset + rank]]);
    }
    float sum = 0;
    for (int rank = 0; rank < expertsPerToken; rank++) {
      float weight = (float) StrictMath.exp(logits[logitsOffset + experts[offset + rank]] - max);
      weights[offset + rank] = weight;
      sum += weight;
    }
    for (int rank = 0; rank < expertsPerToken; rank++) {
      weights[offset + rank] /= sum;
    }
  }
}
