package bora.formats.checkpoint;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.LittleEndian;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Widens stored weights to float32, exactly: the one definition of what their bytes mean. */
final class WeightDecoder {
  private static final int CHUNK_ELEMENTS = 8192;

  private WeightDecoder() {}

  /**
   * Decodes a run of elements.
   *
   * @param firstElement of {@code bytes}; a multiple of the type's block, as {@code count} is
   */
  static void decode(
      WeightType type,
      MemorySegment bytes,
      long firstElement,
      int count,
      float[] values,
      int offset) {
    long start = type.bytes(firstElement);
    switch (type) {
      case F32 -> MemorySegment.copy(bytes, LittleEndian.FLOAT, start, values, offset, count);
      case F16, BF16 -> decodeHalves(type, bytes, start, count, values, offset);
      case Q4_0, Q8_0, Q4_K, Q5_K, Q6_K -> decodeBlocks(type, bytes, start, count, values, offset);
    }
  }

  private static void decodeHalves(
      WeightType type, MemorySegment bytes, long start, int count, float[] values, int offset) {
    short[] chunk = new short[Math.min(count, CHUNK_ELEMENTS)];
    for (int done = 0; done < count; done += chunk.length) {
      int length = Math.min(chunk.length, count - done);
      long at = start + (long) done * Short.BYTES;
      MemorySegment.copy(bytes, LittleEndian.SHORT, at, chunk, 0, length);
      int target = offset + done;
      if (type == WeightType.BF16) {
        for (int i = 0; i < length; i++) {
          values[target + i] = BFloat16.toFloat(chunk[i]);
        }
      } else {
        for (int i = 0; i < length; i++) {
          values[target + i] = Float.float16ToFloat(chunk[i]);
        }
      }
    }
  }

  private static void decodeBlocks(
      WeightType type, MemorySegment bytes, long start, int count, float[] values, int offset) {
    byte[] block = new byte[type.blockBytes()];
    for (int done = 0; done < count; done += type.blockElements()) {
      long at = start + type.bytes(done);
      MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, at, block, 0, block.length);
      GgmlBlocks.decode(type, block, values, offset + done);
    }
  }
}
