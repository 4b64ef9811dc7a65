package bora.runtime.kernel;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.Encoding;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Memory for the components of keys or values, in one format.
 *
 * <p>It is outside the heap and begins with a cache line, which arrays do not: there every vector
 * of 64 bytes would be in two lines. Whoever made it keeps the memory for as long as it is used.
 */
public final class CachedFloats {
  /** Of the first component, and of all of them together in {@link #byteSize(CacheFormat, int)}. */
  private static final int ALIGNMENT_BYTES = 64;

  /** The most components of one memory, whatever the format. */
  public static final int MAX_LENGTH = (Integer.MAX_VALUE - ALIGNMENT_BYTES) / Float.BYTES;

  private final CacheFormat format;
  private final int length;

  /** The same as {@link #segment}; code of any compiler writes a buffer fast. */
  private final ByteBuffer bytes;

  private final MemorySegment segment;

  /**
   * @param memory native, zero or not
   * @param length in components, at most {@link #MAX_LENGTH}
   */
  public CachedFloats(CacheFormat format, SegmentAllocator memory, int length) {
    this.format = format;
    this.length = length;
    segment = memory.allocate(Math.multiplyExact(length, format.bytes()), ALIGNMENT_BYTES);
    bytes = segment.asByteBuffer().order(ByteOrder.nativeOrder());
  }

  /** What so many components take of memory that others are taken from too. */
  public static long byteSize(CacheFormat format, int length) {
    return Encoding.alignUp((long) length * format.bytes(), ALIGNMENT_BYTES);
  }

  /**
   * The definition of {@link Kernels#store}.
   *
   * @param index of the first component
   * @param stride from one component to the next
   * @param x has {@code count} components from {@code offset}
   */
  void put(int index, int stride, float[] x, int offset, int count) {
    switch (format) {
      case FLOAT32 -> {
        for (int i = 0; i < count; i++) {
          bytes.putFloat((index + i * stride) * Float.BYTES, x[offset + i]);
        }
      }
      case FLOAT16 -> {
        for (int i = 0; i < count; i++) {
          bytes.putShort((index + i * stride) * Short.BYTES, Float.floatToFloat16(x[offset + i]));
        }
      }
      case BFLOAT16 -> {
        for (int i = 0; i < count; i++) {
          bytes.putShort((index + i * stride) * Short.BYTES, BFloat16.fromFloat(x[offset + i]));
        }
      }
    }
  }

  CacheFormat format() {
    return format;
  }

  /** In components. */
  int length() {
    return length;
  }

  float get(int index) {
    return format == CacheFormat.FLOAT32
        ? bytes.getFloat(index * Float.BYTES)
        : format.toFloat(bytes.getShort(index * Short.BYTES));
  }

  MemorySegment segment() {
    return segment;
  }

  /** Of a component; good until the memory is given back. */
  long address(int index) {
    return segment.address() + (long) index * format.bytes();
  }
}
