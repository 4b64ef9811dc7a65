package bora.runtime;

/**
 * How a model is run; none of it changes what is computed, but for rounding.
 *
 * @param threads how many threads compute, the calling one included
 */
public record RuntimeOptions(int threads, KernelChoice kernels) {
  /**
   * @throws IllegalArgumentException when there is not at least one thread
   */
  public RuntimeOptions {
    if (threads < 1) {
      throw new IllegalArgumentException("threads: expected at least 1, found " + threads);
    }
  }

  /** A thread for every processor and the fastest kernels. */
  public static RuntimeOptions defaults() {
    return new RuntimeOptions(Runtime.getRuntime().availableProcessors(), KernelChoice.AUTO);
  }
}
