package bora.converter.cli;

/** How fast tokens come: the time to the first one, then the rate of the others. */
final class GenerationRate {
  private static final double NANOS_PER_SECOND = 1e9;

  private final long startNanos = System.nanoTime();
  private long firstNanos;
  private long lastNanos;
  private int tokens;

  void token() {
    lastNanos = System.nanoTime();
    if (tokens == 0) {
      firstNanos = lastNanos;
    }
    tokens++;
  }

  /** Of the tokens after the first; 0 where there are none. */
  double tokensPerSecond() {
    return tokens < 2 ? 0 : (tokens - 1) * NANOS_PER_SECOND / Math.max(1, lastNanos - firstNanos);
  }

  @Override
  public String toString() {
    String first =
        Sizes.format("first token after %.2f s", (firstNanos - startNanos) / NANOS_PER_SECOND);
    return tokens < 2
        ? first
        : tokens
            + " tokens, "
            + first
            + ", then "
            + Sizes.format("%.1f", tokensPerSecond())
            + " tokens/s";
  }
}
