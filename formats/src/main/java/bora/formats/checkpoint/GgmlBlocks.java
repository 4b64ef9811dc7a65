package bora.formats.checkpoint;

/**
 * The values of one block of a GGUF file. The order of float32 operations is that of {@code
 * dequantize_row_*} in {@code ggml/src/ggml-quants.c} of llama.cpp at d32676d, so that a value here
 * is the value there.
 *
 * <p>All integers are little-endian, d and m are float16, "nibble" is half a byte, low half first.
 */
final class GgmlBlocks {
  private static final int SCALE_BYTES = 12;

  private GgmlBlocks() {}

  static void decode(WeightType type, byte[] block, float[] values, int offset) {
    switch (type) {
      case Q4_0 -> decodeQ40(block, values, offset);
      case Q8_0 -> decodeQ80(block, values, offset);
      case Q4_K -> decodeQ4K(block, values, offset);
      case Q5_K -> decodeQ5K(block, values, offset);
      case Q6_K -> decodeQ6K(block, values, offset);
      case F32, F16, BF16 -> throw new IllegalArgumentException(type + " has no blocks");
    }
  }

  private static float half(byte[] block, int at) {
    return Float.float16ToFloat((short) ((block[at] & 0xFF) | (block[at + 1] << 8)));
  }

  /** d, then 16 bytes: byte j has element j in its low, element j + 16 in its high nibble. */
  private static void decodeQ40(byte[] block, float[] values, int offset) {
    float d = half(block, 0);
    for (int j = 0; j < 16; j++) {
      int pair = block[2 + j] & 0xFF;
      values[offset + j] = ((pair & 0xF) - 8) * d;
      values[offset + j + 16] = ((pair >> 4) - 8) * d;
    }
  }

  /** d, then 32 signed bytes. */
  private static void decodeQ80(byte[] block, float[] values, int offset) {
    float d = half(block, 0);
    for (int j = 0; j < 32; j++) {
      values[offset + j] = block[2 + j] * d;
    }
  }

  /**
   * d, m, 12 bytes of {@link #scale scales}, then 4 times 32 bytes for 64 elements each: the low
   * nibbles are the first 32 of them, the high nibbles the other.
   */
  private static void decodeQ4K(byte[] block, float[] values, int offset) {
    float d = half(block, 0);
    float m = half(block, 2);
    int codes = 4 + SCALE_BYTES;
    for (int group = 0; group < 8; group++) {
      float groupScale = d * scale(block, group);
      float groupMinimum = m * minimum(block, group);
      int from = codes + group / 2 * 32;
      int shift = group % 2 * 4;
      for (int j = 0; j < 32; j++) {
        int code = ((block[from + j] & 0xFF) >> shift) & 0xF;
        values[offset + group * 32 + j] = groupScale * code - groupMinimum;
      }
    }
  }

  /** As Q4_K, with 32 bytes before the nibbles: bit g of byte j is the fifth bit of group g's j. */
  private static void decodeQ5K(byte[] block, float[] values, int offset) {
    float d = half(block, 0);
    float m = half(block, 2);
    int highBits = 4 + SCALE_BYTES;
    int codes = highBits + 32;
    for (int group = 0; group < 8; group++) {
      float groupScale = d * scale(block, group);
      float groupMinimum = m * minimum(block, group);
      int from = codes + group / 2 * 32;
      int shift = group % 2 * 4;
      for (int j = 0; j < 32; j++) {
        int high = ((block[highBits + j] & 0xFF) >> group) & 1;
        int code = (((block[from + j] & 0xFF) >> shift) & 0xF) + (high << 4);
        values[offset + group * 32 + j] = groupScale * code - groupMinimum;
      }
    }
  }

  /**
   * The six bits that scale a group: groups 0 to 3 have the low six bits of bytes 0 to 3; groups 4
   * to 7 the low nibbles of bytes 8 to 11 under the upper two bits of bytes 0 to 3.
   */
  private static int scale(byte[] block, int group) {
    return group < 4
        ? block[4 + group] & 0x3F
        : (block[8 + group] & 0xF) | ((block[group] & 0xC0) >> 2);
  }

  /** As {@link #scale}, from bytes 4 to 7 and the high nibbles of bytes 8 to 11. */
  private static int minimum(byte[] block, int group) {
    return group < 4
        ? block[8 + group] & 0x3F
        : ((block[8 + group] & 0xF0) >> 4) | ((block[4 + group] & 0xC0) >> 2);
  }

  /**
   * 128 bytes of low nibbles, 64 of high pairs of bits, 16 signed scales of 16 elements each, d.
   * Each half of the block has 4 runs of 32: runs 0 and 1 are the low nibbles of the half's 64
   * bytes, runs 2 and 3 the high ones; run r's upper bits are bits 2r and 2r + 1 of its 32 bytes.
   */
  private static void decodeQ6K(byte[] block, float[] values, int offset) {
    float d = half(block, 208);
    for (int run = 0; run < 8; run++) {
      int blockHalf = run / 4;
      int runInHalf = run % 4;
      int low = blockHalf * 64 + runInHalf % 2 * 32;
      int high = 128 + blockHalf * 32;
      for (int j = 0; j < 32; j++) {
        int lowBits = ((block[low + j] & 0xFF) >> (runInHalf / 2 * 4)) & 0xF;
        int highBits = ((block[high + j] & 0xFF) >> (2 * runInHalf)) & 3;
        int code = (lowBits | (highBits << 4)) - 32;
        int scale = block[192 + run * 2 + j / 16];
        values[offset + run * 32 + j] = d * scale * code;
      }
    }
  }
}
