package bora.quantizer;

/**
 * Turns the 16 rows of a panel into columns. Written out because the compiler unrolls no loop over
 * the rows in which each has an array of its own, and that form is the fastest: three times as fast
 * as a loop over one array, whose rows of a power-of-two width share their cache sets.
 */
final class PanelRows {
  /** Rows that are transposed at once. */
  static final int COUNT = 16;

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
