package bora.runtime.memory;

/**
 * One named summand of an estimate.
 *
 * @param component the component it belongs to
 * @param name a short name for people
 * @param bytes its size, zero or more
 * @param explanation where the size comes from, one sentence
 */
public record MemoryPart(MemoryComponent component, String name, long bytes, String explanation) {
  /** Refuses negative sizes. */
  public MemoryPart {
    if (bytes < 0) {
      throw new IllegalArgumentException(name + ": expected zero bytes or more, found " + bytes);
    }
  }
}
