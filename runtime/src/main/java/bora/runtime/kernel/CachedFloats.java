package bora.runtime.kernel;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.Encoding;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.nio.ByteOrder;
import java.nio.IntBuffer;

/**
 * Memory for keys or values of {@code headDim} components, in words: a word is one component as it
 * is, or two rounded to bf16, component i in the lower half of word i and component {@code headDim
 * / 2 + i} in the upper.
 *
 * <p>It is outside the heap and begins with a cache line, which arrays do not: there every vector
 * of 64 bytes would be in two lines. Whoever made it keeps the memory for as long as it is used.
 */
public final class CachedFloats {
  /** Of the first word, and of all words together in {@link #byteSize(int)}. */
  private static final int ALIGNMENT_BYTES = 64;

  /** The most words of one memory. */
  public static final int MAX_LENGTH = (Integer.MAX_VALUE - ALIGNMENT_BYTES) / Integer.BYTES;

  private final boolean bfloat16;

  /** The same as {@link #segment}; code of any compiler writes a buffer fast. */
  private final IntBuffer words;

  private final MemorySegment segment;

  private CachedFloats(boolean bfloat16, SegmentAllocator memory, int length) {
    this.bfloat16 = bfloat16;
    segment = memory.allocate(Math.multiplyExact(length, Integer.BYTES), ALIGNMENT_BYTES);
    words = segment.asByteBuffer().order(ByteOrder.nativeOrder()).asIntBuffer();
  }

  /** What so many words take of memory that others are taken from too. */
  public static long byteSize(int length) {
    return Encoding.alignUp((long) length * Integer.BYTES, ALIGNMENT_BYTES);
  }

  /**
   * For components as they are.
   *
   * @param memory native, zero or not
   * @param length in words, at most {@link #MAX_LENGTH}
   */
  public static CachedFloats float32(SegmentAllocator memory, int length) {
    return new CachedFloats(false, memory, length);
  }

  /**
   * For components rounded to bf16.
   *
   * @param memory native, zero or not
   * @param length in words, at most {@link #MAX_LENGTH}
   */
  public static CachedFloats bfloat16(SegmentAllocator memory, int length) {
    return new CachedFloats(true, memory, length);
  }

  /**
   * The words of a key or value.
   *
   * @throws IllegalArgumentException when there are two components in a word and an odd number
   */
  public int words(int headDim) {
    if (bfloat16 && headDim % 2 != 0) {
      throw new IllegalArgumentException("expected an even headDim, found " + headDim);
    }
    return bfloat16 ? headDim / 2 : headDim;
  }

  /**
   * Stores a key or value.
   *
   * @param index of its first word
   * @param stride from one word to the next
   * @param x its components, from {@code offset}
   */
  public void put(int index, int stride, float[] x, int offset, int headDim) {
    int count = words(headDim);
    for (int i = 0; i < count; i++) {
      float lower = x[offset + i];
      int word =
          bfloat16
              ? BFloat16.fromFloat(x[offset + count + i]) << 16
                  | (BFloat16.fromFloat(lower) & 0xFFFF)
              : Float.floatToRawIntBits(lower);
      words.put(index + i * stride, word);
    }
  }

  boolean areBFloat16() {
    return bfloat16;
  }

  int length() {
    return words.capacity();
  }

  /** The component of a word, or one of the two. */
  float get(int index, boolean upper) {
    int word = words.get(index);
    if (!bfloat16) {
      return Float.intBitsToFloat(word);
    }
    return BFloat16.toFloat((short) (upper ? word >>> 16 : word));
  }

  MemorySegment segment() {
    return segment;
  }

  /** Of a word; good until the memory is given back. */
  long address(int index) {
    return segment.address() + (long) index * Integer.BYTES;
  }
}
