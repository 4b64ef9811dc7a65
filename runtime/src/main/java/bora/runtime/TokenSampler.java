package bora.runtime;

import java.util.BitSet;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.IntStream;

/** Chooses tokens by a {@link Sampling}, one after the other. */
public final class TokenSampler {
  private final Sampling sampling;
  private final RandomGenerator random;
  private final BitSet seen = new BitSet();
  private double[] weights = new double[0];

  public TokenSampler(Sampling sampling) {
    this.sampling = sampling;
    long seed = sampling instanceof Sampling.Temperature drawn ? drawn.seed() : 0;
    this.random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
  }

  /** Tells of a token that was not chosen here but counts as a repetition when it is. */
  public void observe(int token) {
    seen.set(token);
  }

  /**
   * Chooses the token that follows.
   *
   * @param logits [vocabSize], left as they are
   * @throws ArithmeticException when a logit is NaN or infinite
   */
  public int next(float[] logits) {
    float[] penalized = penalized(logits);
    int token =
        switch (sampling) {
          case Sampling.Greedy _ -> mostLikely(penalized);
          case Sampling.Temperature drawn -> draw(penalized, drawn);
        };
    seen.set(token);
    return token;
  }

  private float[] penalized(float[] logits) {
    double penalty = sampling.repetitionPenalty();
    if (penalty == 1) {
      return logits;
    }
    float[] penalized = logits.clone();
    seen.stream()
        .forEach(
            token -> {
              float logit = logits[token];
              penalized[token] = (float) (logit > 0 ? logit / penalty : logit * penalty);
            });
    return penalized;
  }

  static int mostLikely(float[] logits) {
    int best = 0;
    float most = logits[0];
    for (int token = 0; token < logits.length; token++) {
      float logit = logits[token];
      if (!Float.isFinite(logit)) {
        throw new ArithmeticException("logit of token " + token + " is " + logit);
      }
      if (logit > most) {
        best = token;
        most = logit;
      }
    }
    return best;
  }

  private int draw(float[] logits, Sampling.Temperature drawn) {
    if (weights.length != logits.length) {
      weights = new double[logits.length];
    }
    double max = logits[mostLikely(logits)];
    for (int token = 0; token < logits.length; token++) {
      weights[token] = StrictMath.exp((logits[token] - max) / drawn.temperature());
    }
    if (!drawn.candidates().areAll()) {
      dropOthers(drawn.candidates());
    }
    double sum = 0;
    for (double weight : weights) {
      sum += weight;
    }
    // Below the sum, also when rounded: nextDouble() is at most 1 - 2^-53.
    double left = random.nextDouble() * sum;
    double cumulative = weights[0];
    int token = 0;
    while (cumulative <= left) {
      token++;
      cumulative += weights[token];
    }
    return token;
  }

  /** Sets the weight of all but the candidates to 0. */
  private void dropOthers(Sampling.Candidates candidates) {
    int[] byWeight =
        IntStream.range(0, weights.length)
            .boxed()
            .sorted((a, b) -> Double.compare(weights[b], weights[a]))
            .mapToInt(Integer::intValue)
            .toArray();
    int kept = weights.length;
    if (candidates.topK() > 0) {
      kept = Math.min(candidates.topK(), kept);
    }
    if (candidates.topP() < 1) {
      double wanted = candidates.topP() * sum(byWeight, kept);
      double reached = weights[byWeight[0]];
      int count = 1;
      while (count < kept && reached < wanted) {
        reached += weights[byWeight[count]];
        count++;
      }
      kept = count;
    }
    double least = candidates.minP() * weights[byWeight[0]];
    while (kept > 1 && weights[byWeight[kept - 1]] < least) {
      kept--;
    }
    for (int rank = kept; rank < byWeight.length; rank++) {
      weights[byWeight[rank]] = 0;
    }
  }

  private double sum(int[] tokens, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += weights[tokens[i]];
    }
    return sum;
  }
}
