package bora.runtime.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vectors of this process and the memory they are loaded from. A panel has 16 rows; a vector
 * holds {@link #COUNT} of them, so a panel is 1, 2 or 4 vectors side by side (its <em>parts</em>).
 */
final class Lanes {
  static final VectorSpecies<Float> FLOATS =
      VectorSpecies.of(float.class, VectorShape.forBitSize(VectorWidth.bits()));
  static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);

  /** Rows of a vector: 4, 8 or 16. */
  static final int COUNT = FLOATS.length();

  /** Rows of a panel. */
  static final int PANEL_ROWS = 16;

  /** Vectors side by side in a panel: 4, 2 or 1. */
  static final int PARTS = PANEL_ROWS / COUNT;

  static final ByteOrder LITTLE_ENDIAN = ByteOrder.LITTLE_ENDIAN;

  /**
   * All memory, read by address. Kernels that were compiled for segments of several kinds lose most
   * of their speed to checks of every access; so each call is checked once, by {@link
   * MultiplyBounds}, and then reads by address.
   */
  static final MemorySegment MEMORY = allMemory();

  private Lanes() {}

  @SuppressWarnings("restricted")
  private static MemorySegment allMemory() {
    return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
  }
}
