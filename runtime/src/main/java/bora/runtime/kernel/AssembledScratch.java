package bora.runtime.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Working memory of one thread for machine code, outside the heap; it grows as it is asked to. */
final class AssembledScratch {
  static final int ALIGNMENT_BYTES = 64;
  private static final int PARAMETERS = 16;

  private static final ThreadLocal<AssembledScratch> OF_THREAD =
      ThreadLocal.withInitial(AssembledScratch::new);

  private final Arena arena = Arena.ofAuto();

  /** Plain elements, since code that has not been compiled yet sets them fast too. */
  private final long[] parameterValues = new long[PARAMETERS];

  /** What a function is called with. */
  final MemorySegment parameters = MemorySegment.ofArray(parameterValues);

  /** Unpacked codes of a tile, and of a second one behind it. */
  final MemorySegment tiles = arena.allocate(2L * AssembledTile.TILE_BYTES, ALIGNMENT_BYTES);

  /** Their steps. */
  final MemorySegment steps = arena.allocate(2L * AssembledTile.STEPS_BYTES, ALIGNMENT_BYTES);

  /** Decoded weights of a tile, and of a second one behind it. */
  final MemorySegment floatTiles =
      arena.allocate(2L * AssembledFloatTile.TILE_BYTES, ALIGNMENT_BYTES);

  /** Their scales. */
  final MemorySegment floatScales =
      arena.allocate(2L * AssembledFloatTile.SCALES_BYTES, ALIGNMENT_BYTES);

  /** Activations of a token in the forms that products read. */
  final KeptActivations kept = new KeptActivations(this);

  /** Products of several tokens. */
  final AssembledTokens tokens = new AssembledTokens(this);

  private MemorySegment activations = MemorySegment.NULL;
  private MemorySegment records = MemorySegment.NULL;

  private AssembledScratch() {}

  static AssembledScratch ofThread() {
    return OF_THREAD.get();
  }

  void setParameter(int offset, long value) {
    parameterValues[offset / Long.BYTES] = value;
  }

  /** A parameter, or what a function left in place of it. */
  long parameter(int offset) {
    return parameterValues[offset / Long.BYTES];
  }

  /** A float that a function left in place of a parameter. */
  float result(int offset) {
    return Float.intBitsToFloat((int) parameter(offset));
  }

  /**
   * Copies a token's activations to where machine code reads them.
   *
   * @param count at least {@code columns}: how many are read, the last of them zero
   */
  MemorySegment activations(float[] x, int xOffset, int columns, int count) {
    long bytes = (long) count * Float.BYTES;
    if (activations.byteSize() < bytes) {
      activations = Arena.ofAuto().allocate(bytes, ALIGNMENT_BYTES);
    }
    copy(x, xOffset, columns, count, activations);
    return activations;
  }

  /** Copies {@code columns} floats to {@code count}, the last of them zero. */
  static void copy(float[] x, int xOffset, int columns, int count, MemorySegment to) {
    MemorySegment.copy(x, xOffset, to, ValueLayout.JAVA_FLOAT, 0, columns);
    for (int c = columns; c < count; c++) {
      to.setAtIndex(ValueLayout.JAVA_FLOAT, c, 0);
    }
  }

  /** Room for records, of unknown content. */
  MemorySegment records(long bytes) {
    if (records.byteSize() < bytes) {
      records = Arena.ofAuto().allocate(bytes, ALIGNMENT_BYTES);
    }
    return records;
  }
}
