package bora.runtime;

/** How the next token follows from the logits. */
public sealed interface Sampling {
  /**
   * What the logits of tokens that have already occurred are divided by when positive, multiplied
   * by when negative, before anything else; 1 changes nothing.
   */
  double repetitionPenalty();

  /** The most likely token; the lowest among equals. */
  record Greedy(double repetitionPenalty) implements Sampling {
    /**
     * @throws IllegalArgumentException when the penalty is not above 0
     */
    public Greedy {
      requirePositive("repetition penalty", repetitionPenalty);
    }

    public Greedy() {
      this(1);
    }
  }

  /**
   * Draws from the softmax of {@code logits / temperature} over the candidates. The draws come from
   * the JDK's {@code L64X128MixRandom} seeded with {@code seed}, one {@code nextDouble} a token,
   * and the exponential is {@link StrictMath#exp}: equal logits give equal tokens on every machine.
   */
  record Temperature(double temperature, Candidates candidates, double repetitionPenalty, long seed)
      implements Sampling {
    /**
     * @throws IllegalArgumentException when the temperature or the penalty is not above 0
     */
    public Temperature {
      if (!(temperature > 0) || !Double.isFinite(temperature)) {
        throw new IllegalArgumentException(
            "temperature: expected a number above 0, found "
                + temperature
                + "; greedy is a sampling of its own");
      }
      requirePositive("repetition penalty", repetitionPenalty);
    }

    /** Every token is a candidate, no repetition is penalized. */
    public Temperature(double temperature, long seed) {
      this(temperature, Candidates.ALL, 1, seed);
    }
  }

  /**
   * Which tokens are drawn from. The limits are applied in this order, each to what the one before
   * left, as transformers does: {@code topK}, {@code topP}, {@code minP}. The most likely token
   * always stays; among equally likely ones the lower id counts as the likelier.
   *
   * @param topK the most likely tokens; 0 for all
   * @param topP the fewest most likely tokens whose probabilities reach this share of 1
   * @param minP tokens at least this fraction as likely as the most likely one
   */
  record Candidates(int topK, double topP, double minP) {
    /** All tokens. */
    public static final Candidates ALL = new Candidates(0, 1, 0);

    /**
     * @throws IllegalArgumentException when topK is negative, topP not above 0 and at most 1, or
     *     minP not from 0 to 1
     */
    public Candidates {
      if (topK < 0) {
        throw new IllegalArgumentException("top-k: expected at least 0, found " + topK);
      }
      if (!(topP > 0 && topP <= 1)) {
        throw new IllegalArgumentException("top-p: expected above 0, at most 1, found " + topP);
      }
      if (!(minP >= 0 && minP <= 1)) {
        throw new IllegalArgumentException("min-p: expected 0 to 1, found " + minP);
      }
    }

    boolean areAll() {
      return topK == 0 && topP == 1 && minP == 0;
    }
  }

  private static void requirePositive(String what, double value) {
    if (!(value > 0) || !Double.isFinite(value)) {
      throw new IllegalArgumentException(what + ": expected a number above 0, found " + value);
    }
  }
}
