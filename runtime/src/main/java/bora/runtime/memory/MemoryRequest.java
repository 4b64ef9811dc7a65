package bora.runtime.memory;

import bora.formats.model.ModelConfig;
import java.util.Objects;

/**
 * What to estimate.
 *
 * @param config the geometry of the model
 * @param weightBytes bytes of all tensors of the model as the device holds them
 * @param dtype the type of activations and of the KV cache
 * @param contextTokens prompt tokens of each sequence, 1 or more
 * @param batch sequences processed together, 1 or more
 */
public record MemoryRequest(
    ModelConfig config, long weightBytes, ActivationType dtype, long contextTokens, int batch) {

  /** Checks the ranges. */
  public MemoryRequest {
    Objects.requireNonNull(config, "config");
    Objects.requireNonNull(dtype, "dtype");
    requireAtLeastOne("weight bytes", weightBytes);
    requireAtLeastOne("context", contextTokens);
    requireAtLeastOne("batch", batch);
  }

  /** A request for a model that is held unquantized: every parameter in {@code dtype}. */
  public static MemoryRequest unquantized(
      ModelConfig config, ActivationType dtype, long contextTokens, int batch) {
    long weightBytes = Math.multiplyExact(config.parameterCount(), dtype.bytes());
    return new MemoryRequest(config, weightBytes, dtype, contextTokens, batch);
  }

  /** The same request for another context. */
  public MemoryRequest withContext(long tokens) {
    return new MemoryRequest(config, weightBytes, dtype, tokens, batch);
  }

  private static void requireAtLeastOne(String what, long value) {
    if (value < 1) {
      throw new IllegalArgumentException(what + ": expected at least 1, found " + value);
    }
  }
}
