package bora.formats.checkpoint;

import bora.formats.encoding.LittleEndian;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Widens stored weights to float32, exactly: the one definition of what their bytes mean. */
final class WeightDecoder {
  private static final int FLOAT32_EXPONENT = 0x7F80_0000;

  private WeightDecoder() {}

  /**
   * Decodes a run of elements.
   *
   * @param firstElement of {@code bytes}; a multiple of the type's block, as {@code count} is
   * @return whether all values are finite
   */
  static boolean decode(
      WeightType type,
      MemorySegment bytes,
      long firstElement,
      int count,
      float[] values,
      int offset) {
    long start = type.bytes(firstElement);
    return switch (type) {
      case F32 -> {
        MemorySegment.copy(bytes, LittleEndian.FLOAT, start, values, offset, count);
        yield isFinite(values, offset, count);
      }
      case F16 -> HalfFloats.readFloat16(bytes, start, count, values, offset);
      case BF16 -> HalfFloats.readBFloat16(bytes, start, count, values, offset);
      case Q4_0, Q8_0, Q4_K, Q5_K, Q6_K -> decodeBlocks(type, bytes, start, count, values, offset);
    };
  }

  private static boolean decodeBlocks(
      WeightType type, MemorySegment bytes, long start, int count, float[] values, int offset) {
    byte[] block = new byte[type.blockBytes()];
    for (int done = 0; done < count; done += type.blockElements()) {
      long at = start + type.bytes(done);
      MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, at, block, 0, block.length);
      GgmlBlocks.decode(type, block, values, offset + done);
    }
    return isFinite(values, offset, count);
  }

  /** The largest exponent tells: NaN and infinity have all its bits. */
  private static boolean isFinite(float[] values, int offset, int count) {
    int exponent = 0;
    for (int i = offset; i < offset + count; i++) {
      exponent = Math.max(exponent, Float.floatToRawIntBits(values[i]) & FLOAT32_EXPONENT);
    }
    return exponent != FLOAT32_EXPONENT;
  }
}
