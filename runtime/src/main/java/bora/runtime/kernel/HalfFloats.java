package bora.runtime.kernel;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.Encoding;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Widens components of two bytes to floats, exactly, for one thread.
 *
 * <p>By loops over arrays, that of half precision one that the compiler makes vectors of: vectors
 * of shorts written out would make those of integers objects in kernels that have nothing to do
 * with them.
 */
final class HalfFloats {
  private static final ThreadLocal<HalfFloats> OF_THREAD = ThreadLocal.withInitial(HalfFloats::new);

  private short[] halves = {};
  private float[] floats = {};
  private MemorySegment widened = MemorySegment.NULL;

  private HalfFloats() {}

  /**
   * Widens components.
   *
   * @param index of the first of {@code count}
   * @return address of the floats, in memory of this thread's that the next call overwrites
   */
  static long widen(CachedFloats cached, int index, int count) {
    HalfFloats ofThread = OF_THREAD.get();
    ofThread.grow(count);
    MemorySegment.copy(
        cached.segment(),
        ValueLayout.JAVA_SHORT,
        (long) index * Short.BYTES,
        ofThread.halves,
        0,
        count);
    switch (cached.format()) {
      case FLOAT16 -> widenFloat16(ofThread.halves, ofThread.floats, count);
      case BFLOAT16 -> widenBFloat16(ofThread.halves, ofThread.floats, count);
      case FLOAT32 -> throw new IllegalArgumentException("floats are as wide as they can be");
    }
    MemorySegment widened = ofThread.widened;
    MemorySegment.copy(ofThread.floats, 0, widened, ValueLayout.JAVA_FLOAT, 0, count);
    return widened.address();
  }

  private void grow(int count) {
    if (halves.length < count) {
      halves = new short[count];
      floats = new float[count];
      widened = Arena.ofAuto().allocate((long) count * Float.BYTES, Encoding.ALIGNMENT_BYTES);
    }
  }

  private static void widenFloat16(short[] halves, float[] floats, int count) {
    for (int i = 0; i < count; i++) {
      floats[i] = Float.float16ToFloat(halves[i]);
    }
  }

  private static void widenBFloat16(short[] halves, float[] floats, int count) {
    for (int i = 0; i < count; i++) {
      floats[i] = BFloat16.toFloat(halves[i]);
    }
  }
}
