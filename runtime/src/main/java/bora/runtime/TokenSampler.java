package bora.runtime;

import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/** Chooses tokens by a {@link Sampling}, one after the other. */
public final class TokenSampler {
  private final Sampling sampling;
  private final RandomGenerator random;
  private double[] cumulative = new double[0];

  public TokenSampler(Sampling sampling) {
    this.sampling = sampling;
    long seed = sampling instanceof Sampling.Temperature drawn ? drawn.seed() : 0;
    this.random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
  }

  /**
   * Chooses the token that follows.
   *
   * @throws ArithmeticException when a logit is NaN or infinite
   */
  public int next(float[] logits) {
    return switch (sampling) {
      case Sampling.Greedy _ -> mostLikely(logits);
      case Sampling.Temperature drawn -> draw(logits, drawn.temperature());
    };
  }

  static int mostLikely(float[] logits) {
    int best = 0;
    for (int token = 0; token < logits.length; token++) {
      if (!Float.isFinite(logits[token])) {
        throw new ArithmeticException("logit of token " + token + " is " + logits[token]);
      }
      if (logits[token] > logits[best]) {
        best = token;
      }
    }
    return best;
  }

  private int draw(float[] logits, double temperature) {
    if (cumulative.length != logits.length) {
      cumulative = new double[logits.length];
    }
    double max = logits[mostLikely(logits)];
    double sum = 0;
    for (int token = 0; token < logits.length; token++) {
      sum += StrictMath.exp((logits[token] - max) / temperature);
      cumulative[token] = sum;
    }
    // Below the sum, also when rounded: nextDouble() is at most 1 - 2^-53.
    double drawn = random.nextDouble() * sum;
    int token = 0;
    while (cumulative[token] <= drawn) {
      token++;
    }
    return token;
  }
}
