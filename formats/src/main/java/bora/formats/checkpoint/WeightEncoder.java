package bora.formats.checkpoint;

import bora.formats.encoding.BFloat16;
import java.nio.ByteBuffer;

/** Writes rows in the types of {@link WeightType} that are exported. */
final class WeightEncoder {
  private WeightEncoder() {}

  /**
   * Appends a row.
   *
   * @param type F32, BF16 or Q8_0
   * @param out little-endian, with room for the row
   */
  static void encode(WeightType type, float[] row, ByteBuffer out) {
    switch (type) {
      case F32 -> {
        for (float value : row) {
          out.putFloat(value);
        }
      }
      case BF16 -> {
        for (float value : row) {
          out.putShort(BFloat16.fromFloat(value));
        }
      }
      case Q8_0 -> {
        for (int start = 0; start < row.length; start += type.blockElements()) {
          encodeQ80(row, start, out);
        }
      }
      default -> throw new IllegalArgumentException(type + " is not written");
    }
  }

  /**
   * The largest magnitude becomes 127. As {@code quantize_row_q8_0_ref} in {@code
   * ggml/src/ggml-quants.c} of llama.cpp at d32676d, rounding half away from zero included.
   */
  private static void encodeQ80(float[] row, int start, ByteBuffer out) {
    float largest = 0;
    for (int i = start; i < start + 32; i++) {
      largest = Math.max(largest, Math.abs(row[i]));
    }
    float scale = largest / 127;
    float inverse = scale == 0 ? 0 : 1 / scale;
    out.putShort(Float.floatToFloat16(scale));
    for (int i = start; i < start + 32; i++) {
      double magnitude = Math.floor(Math.abs((double) (row[i] * inverse)) + 0.5);
      out.put((byte) Math.copySign(magnitude, row[i]));
    }
  }
}
