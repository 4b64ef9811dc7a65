package bora.runtime;

/** How the next token follows from the logits. */
public sealed interface Sampling {
  /** The most likely token; the lowest among equals. */
  record Greedy() implements Sampling {}

  /**
   * Draws from the softmax of {@code logits / temperature}. The draws come from the JDK's {@code
   * L64X128MixRandom} seeded with {@code seed}, one {@code nextDouble} a token, and the exponential
   * is {@link StrictMath#exp}: equal logits give equal tokens on every machine.
   */
  record Temperature(double temperature, long seed) implements Sampling {
    /**
     * @throws IllegalArgumentException when the temperature is not above 0
     */
    public Temperature {
      if (!(temperature > 0) || !Double.isFinite(temperature)) {
        throw new IllegalArgumentException(
            "temperature: expected a number above 0, found "
                + temperature
                + "; greedy is a sampling of its own");
      }
    }
  }
}
