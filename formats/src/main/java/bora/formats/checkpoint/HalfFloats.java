package bora.formats.checkpoint;

import bora.formats.encoding.LittleEndian;
import java.lang.foreign.MemorySegment;

/**
 * Reads 16-bit floats, widened exactly to float32. Chunk by chunk and in simple loops over arrays,
 * so that the compiler vectorises them and the chunk stays in the first cache.
 */
final class HalfFloats {
  private static final int CHUNK_ELEMENTS = 1024;
  private static final int BFLOAT16_EXPONENT = 0x7F80_0000;
  private static final int FLOAT16_EXPONENT = 0x7C00;

  private HalfFloats() {}

  /**
   * Reads bf16.
   *
   * @param count values, from {@code startBytes} in {@code bytes} to {@code offset} in {@code
   *     values}
   * @return whether all are finite
   */
  static boolean readBFloat16(
      MemorySegment bytes, long startBytes, int count, float[] values, int offset) {
    int length = Math.min(count, CHUNK_ELEMENTS);
    short[] halves = new short[length];
    int[] words = new int[length];
    MemorySegment from = MemorySegment.ofArray(words);
    MemorySegment to = MemorySegment.ofArray(values);
    int exponent = 0;
    for (int done = 0; done < count; done += length) {
      int here = Math.min(length, count - done);
      MemorySegment.copy(bytes, LittleEndian.SHORT, startBytes + 2L * done, halves, 0, here);
      shiftUp(halves, words, here);
      exponent = Math.max(exponent, largest(words, here, BFLOAT16_EXPONENT));
      // The compiler vectorises no loop that turns int bits into floats, so they are copied.
      MemorySegment.copy(from, 0, to, 4L * (offset + done), 4L * here);
    }
    return exponent != BFLOAT16_EXPONENT;
  }

  /**
   * Reads bf16 as it is, two values a word, the first in the lower half.
   *
   * @param words receives {@code count} of them
   * @return whether all values are finite
   */
  static boolean readBFloat16Pairs(
      MemorySegment bytes, long startBytes, int count, int[] words, int offset) {
    MemorySegment.copy(bytes, LittleEndian.INT, startBytes, words, offset, count);
    int exponent = 0;
    for (int i = offset; i < offset + count; i++) {
      int pair = Math.max(words[i] & BFLOAT16_EXPONENT, words[i] << 16 & BFLOAT16_EXPONENT);
      exponent = Math.max(exponent, pair);
    }
    return exponent != BFLOAT16_EXPONENT;
  }

  /** Reads IEEE halves, like {@link #readBFloat16}. */
  static boolean readFloat16(
      MemorySegment bytes, long startBytes, int count, float[] values, int offset) {
    int length = Math.min(count, CHUNK_ELEMENTS);
    short[] halves = new short[length];
    int[] words = new int[length];
    int exponent = 0;
    for (int done = 0; done < count; done += length) {
      int here = Math.min(length, count - done);
      MemorySegment.copy(bytes, LittleEndian.SHORT, startBytes + 2L * done, halves, 0, here);
      shiftUp(halves, words, here);
      exponent = Math.max(exponent, largest(words, here, FLOAT16_EXPONENT << 16));
      widen(halves, values, offset + done, here);
    }
    return exponent != FLOAT16_EXPONENT << 16;
  }

  private static void shiftUp(short[] halves, int[] words, int count) {
    for (int i = 0; i < count; i++) {
      words[i] = halves[i] << 16;
    }
  }

  private static int largest(int[] words, int count, int mask) {
    int largest = 0;
    for (int i = 0; i < count; i++) {
      largest = Math.max(largest, words[i] & mask);
    }
    return largest;
  }

  private static void widen(short[] halves, float[] values, int offset, int count) {
    for (int i = 0; i < count; i++) {
      values[offset + i] = Float.float16ToFloat(halves[i]);
    }
  }
}
