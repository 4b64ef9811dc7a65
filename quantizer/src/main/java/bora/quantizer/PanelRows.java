package bora.quantizer;

/**
 * Turns the 16 rows of a panel into columns. Written out because the compiler unrolls no loop over
 * the rows in which each has an array of its own, and that form is the fastest: three times as fast
 * as a loop over one array, whose rows of a power-of-two width share their cache sets.
 */
final class PanelRows {
  /** Rows that are transposed at once. */
  static final int COUNT = 16;

  private static final int HIGH = 0xFFFF_0000;

  private PanelRows() {}

  /**
   * Transposes.
   *
   * @param rows 16, of at least {@code columns} values
   * @param target receives row r, column c at {@code c * stride + offset + r}
   */
  static void transpose(float[][] rows, int columns, float[] target, int offset, int stride) {
    float[] r0 = rows[0];
    float[] r1 = rows[1];
    float[] r2 = rows[2];
    float[] r3 = rows[3];
    float[] r4 = rows[4];
    float[] r5 = rows[5];
    float[] r6 = rows[6];
    float[] r7 = rows[7];
    float[] r8 = rows[8];
    float[] r9 = rows[9];
    float[] r10 = rows[10];
    float[] r11 = rows[11];
    float[] r12 = rows[12];
    float[] r13 = rows[13];
    float[] r14 = rows[14];
    float[] r15 = rows[15];
    for (int column = 0; column < columns; column++) {
      int at = column * stride + offset;
      target[at] = r0[column];
      target[at + 1] = r1[column];
      target[at + 2] = r2[column];
      target[at + 3] = r3[column];
      target[at + 4] = r4[column];
      target[at + 5] = r5[column];
      target[at + 6] = r6[column];
      target[at + 7] = r7[column];
      target[at + 8] = r8[column];
      target[at + 9] = r9[column];
      target[at + 10] = r10[column];
      target[at + 11] = r11[column];
      target[at + 12] = r12[column];
      target[at + 13] = r13[column];
      target[at + 14] = r14[column];
      target[at + 15] = r15[column];
    }
  }

  /**
   * Transposes pairs of bf16 to floats.
   *
   * @param rows 16, of at least {@code pairs} words, each the bits of two columns, the even one's
   *     in the lower half
   * @param target as for floats
   */
  static void transposePairs(int[][] rows, int pairs, float[] target, int offset, int stride) {
    int[] r0 = rows[0];
    int[] r1 = rows[1];
    int[] r2 = rows[2];
    int[] r3 = rows[3];
    int[] r4 = rows[4];
    int[] r5 = rows[5];
    int[] r6 = rows[6];
    int[] r7 = rows[7];
    int[] r8 = rows[8];
    int[] r9 = rows[9];
    int[] r10 = rows[10];
    int[] r11 = rows[11];
    int[] r12 = rows[12];
    int[] r13 = rows[13];
    int[] r14 = rows[14];
    int[] r15 = rows[15];
    for (int pair = 0; pair < pairs; pair++) {
      int w0 = r0[pair];
      int w1 = r1[pair];
      int w2 = r2[pair];
      int w3 = r3[pair];
      int w4 = r4[pair];
      int w5 = r5[pair];
      int w6 = r6[pair];
      int w7 = r7[pair];
      int w8 = r8[pair];
      int w9 = r9[pair];
      int w10 = r10[pair];
      int w11 = r11[pair];
      int w12 = r12[pair];
      int w13 = r13[pair];
      int w14 = r14[pair];
      int w15 = r15[pair];
      int at = 2 * pair * stride + offset;
      target[at] = Float.intBitsToFloat(w0 << 16);
      target[at + 1] = Float.intBitsToFloat(w1 << 16);
      target[at + 2] = Float.intBitsToFloat(w2 << 16);
      target[at + 3] = Float.intBitsToFloat(w3 << 16);
      target[at + 4] = Float.intBitsToFloat(w4 << 16);
      target[at + 5] = Float.intBitsToFloat(w5 << 16);
      target[at + 6] = Float.intBitsToFloat(w6 << 16);
      target[at + 7] = Float.intBitsToFloat(w7 << 16);
      target[at + 8] = Float.intBitsToFloat(w8 << 16);
      target[at + 9] = Float.intBitsToFloat(w9 << 16);
      target[at + 10] = Float.intBitsToFloat(w10 << 16);
      target[at + 11] = Float.intBitsToFloat(w11 << 16);
      target[at + 12] = Float.intBitsToFloat(w12 << 16);
      target[at + 13] = Float.intBitsToFloat(w13 << 16);
      target[at + 14] = Float.intBitsToFloat(w14 << 16);
      target[at + 15] = Float.intBitsToFloat(w15 << 16);
      int next = at + stride;
      target[next] = Float.intBitsToFloat(w0 & HIGH);
      target[next + 1] = Float.intBitsToFloat(w1 & HIGH);
      target[next + 2] = Float.intBitsToFloat(w2 & HIGH);
      target[next + 3] = Float.intBitsToFloat(w3 & HIGH);
      target[next + 4] = Float.intBitsToFloat(w4 & HIGH);
      target[next + 5] = Float.intBitsToFloat(w5 & HIGH);
      target[next + 6] = Float.intBitsToFloat(w6 & HIGH);
      target[next + 7] = Float.intBitsToFloat(w7 & HIGH);
      target[next + 8] = Float.intBitsToFloat(w8 & HIGH);
      target[next + 9] = Float.intBitsToFloat(w9 & HIGH);
      target[next + 10] = Float.intBitsToFloat(w10 & HIGH);
      target[next + 11] = Float.intBitsToFloat(w11 & HIGH);
      target[next + 12] = Float.intBitsToFloat(w12 & HIGH);
      target[next + 13] = Float.intBitsToFloat(w13 & HIGH);
      target[next + 14] = Float.intBitsToFloat(w14 & HIGH);
      target[next + 15] = Float.intBitsToFloat(w15 & HIGH);
    }
  }

  /** Transposes, as for floats. */
  static void transpose(int[][] rows, int columns, int[] target, int offset, int stride) {
    int[] r0 = rows[0];
    int[] r1 = rows[1];
    int[] r2 = rows[2];
    int[] r3 = rows[3];
    int[] r4 = rows[4];
    int[] r5 = rows[5];
    int[] r6 = rows[6];
    int[] r7 = rows[7];
    int[] r8 = rows[8];
    int[] r9 = rows[9];
    int[] r10 = rows[10];
    int[] r11 = rows[11];
    int[] r12 = rows[12];
    int[] r13 = rows[13];
    int[] r14 = rows[14];
    int[] r15 = rows[15];
    for (int column = 0; column < columns; column++) {
      int at = column * stride + offset;
      target[at] = r0[column];
      target[at + 1] = r1[column];
      target[at + 2] = r2[column];
      target[at + 3] = r3[column];
      target[at + 4] = r4[column];
      target[at + 5] = r5[column];
      target[at + 6] = r6[column];
      target[at + 7] = r7[column];
      target[at + 8] = r8[column];
      target[at + 9] = r9[column];
      target[at + 10] = r10[column];
      target[at + 11] = r11[column];
      target[at + 12] = r12[column];
      target[at + 13] = r13[column];
      target[at + 14] = r14[column];
      target[at + 15] = r15[column];
    }
  }
}
