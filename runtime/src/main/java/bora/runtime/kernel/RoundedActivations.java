package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;
import static bora.runtime.kernel.Lanes.INTS;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * One token's activations, rounded as {@link ActivationRounding} defines: integers, and a step for
 * each block of columns. Whole blocks; what lies past the last column is zero.
 */
final class RoundedActivations {
  private static final int BLOCK = ActivationRounding.BLOCK_COLUMNS;

  /**
   * Adding it rounds to the nearest integer, ties to even, which then stands in the lowest bits.
   */
  private static final float ROUNDER = 0x1.8p23f;

  private float[] input = {};

  /** Where the first column's code is, so that the place before it can be read. */
  static final int FIRST = 16;

  /** The codes, -127 to 127: that of column c at {@code FIRST + c}. */
  int[] codes = {};

  /** The step of each block. */
  float[] steps = {};

  int blocks;

  /** Takes a token's activations. */
  void round(float[] x, int offset, int columns) {
    blocks = Math.ceilDiv(columns, BLOCK);
    int paddedColumns = blocks * BLOCK;
    if (input.length < paddedColumns) {
      input = new float[paddedColumns];
      codes = new int[FIRST + paddedColumns];
      steps = new float[blocks];
    }
    System.arraycopy(x, offset, input, 0, columns);
    Arrays.fill(input, columns, paddedColumns, 0);
    for (int block = 0; block < blocks; block++) {
      roundBlock(block);
    }
  }

  private void roundBlock(int block) {
    int start = block * BLOCK;
    FloatVector magnitudes = FloatVector.zero(FLOATS);
    for (int i = start; i < start + BLOCK; i += Lanes.COUNT) {
      magnitudes = magnitudes.max(FloatVector.fromArray(FLOATS, input, i).abs());
    }
    float magnitude = magnitudes.reduceLanes(VectorOperators.MAX);
    steps[block] = ActivationRounding.step(magnitude, ActivationRounding.MAX_CODE);
    FloatVector inverse =
        FloatVector.broadcast(
            FLOATS, ActivationRounding.inverse(magnitude, ActivationRounding.MAX_CODE));
    int rounder = Float.floatToRawIntBits(ROUNDER);
    for (int i = start; i < start + BLOCK; i += Lanes.COUNT) {
      FloatVector.fromArray(FLOATS, input, i)
          .mul(inverse)
          .add(ROUNDER)
          .reinterpretAsInts()
          .sub(rounder)
          .intoArray(codes, FIRST + i);
    }
  }

  /** Writes the rounded values, those of whole blocks. */
  void values(float[] values, int offset) {
    for (int block = 0; block < blocks; block++) {
      FloatVector step = FloatVector.broadcast(FLOATS, steps[block]);
      for (int i = block * BLOCK; i < (block + 1) * BLOCK; i += Lanes.COUNT) {
        ((FloatVector) IntVector.fromArray(INTS, codes, FIRST + i).convert(VectorOperators.I2F, 0))
            .mul(step)
            .intoArray(values, offset + i);
      }
    }
  }
}
