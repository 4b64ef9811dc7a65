package bora.runtime;

/**
 * How a model is run; none of it changes what is computed, but for rounding.
 *
 * @param threads how many threads compute, the calling one included
 */
public record RuntimeOptions(int threads, KernelChoice kernels, Activations activations) {
  /**
   * @throws IllegalArgumentException when there is not at least one thread
   */
  public RuntimeOptions {
    if (threads < 1) {
      throw new IllegalArgumentException("threads: expected at least 1, found " + threads);
    }
  }

  /** Exact activations. */
  public RuntimeOptions(int threads, KernelChoice kernels) {
    this(threads, kernels, Activations.F32);
  }

  /** A thread for every processor, the fastest kernels and exact activations. */
  public static RuntimeOptions defaults() {
    return new RuntimeOptions(Runtime.getRuntime().availableProcessors(), KernelChoice.AUTO);
  }

  /** These options with other activations. */
  public RuntimeOptions with(Activations activations) {
    return new RuntimeOptions(threads, kernels, activations);
  }
}
