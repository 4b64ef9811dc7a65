package bora.runtime.memory;

import java.util.List;

/**
 * What a request needs, part by part.
 *
 * @param parts the summands, in the order of their components
 * @param contextTokens prompt tokens of each sequence
 * @param batch sequences processed together
 * @param dtype the type of activations and of the KV cache
 */
public record MemoryEstimate(
    List<MemoryPart> parts, long contextTokens, int batch, ActivationType dtype) {
  /** Copies the parts. */
  public MemoryEstimate {
    parts = List.copyOf(parts);
  }

  /** Bytes of one component. */
  public long bytes(MemoryComponent component) {
    return parts.stream()
        .filter(part -> part.component() == component)
        .mapToLong(MemoryPart::bytes)
        .reduce(0L, Math::addExact);
  }

  /** Bytes that the GPU has taken in total: the sum of all parts. */
  public long total() {
    return parts.stream().mapToLong(MemoryPart::bytes).reduce(0L, Math::addExact);
  }
}
