package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;
import static bora.runtime.kernel.Lanes.INTS;
import static bora.runtime.kernel.Lanes.MEMORY;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarGrid;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The steps of the scalar encodings: row scale times sub-scale, decoded for some blocks ahead of
 * the codes, so that the kernels of all three read plain floats.
 */
final class GridScales {
  /** A word of sub-scale indices holds eight lanes, 4 bits each. */
  private static final int LANES_PER_WORD = 8;

  private static final IntVector SHIFTS =
      IntVector.zero(INTS).addIndex(1).and(LANES_PER_WORD - 1).mul(4);

  private static final VectorMask<Integer> SECOND_WORD =
      IntVector.zero(INTS).addIndex(1).compare(VectorOperators.GE, LANES_PER_WORD);

  // The table of sub-scales, as many to a vector as fit; the first vectors repeat once all are in.
  private static final IntVector SUB_SCALES_0 = subScales(0);
  private static final IntVector SUB_SCALES_1 = subScales(1);
  private static final IntVector SUB_SCALES_2 = subScales(2);
  private static final IntVector SUB_SCALES_3 = subScales(3);

  private GridScales() {}

  private static IntVector subScales(int vectorIndex) {
    int[] bits = new int[Lanes.COUNT];
    for (int lane = 0; lane < bits.length; lane++) {
      int index = (vectorIndex * Lanes.COUNT + lane) % ScalarGrid.SUB_SCALE_COUNT;
      bits[lane] = Float.floatToRawIntBits(ScalarGrid.subScale(index));
    }
    return IntVector.fromArray(INTS, bits, 0);
  }

  /**
   * Decodes the steps of one vector of rows.
   *
   * @param panelAddress of the panel's first byte
   * @param part which vector of the panel, 0 to {@code Lanes.PARTS - 1}
   * @param steps receives the step of row r, block {@code blockStart + k} at {@code (4 * k + slot)
   *     * lanes + r}
   * @param slot 0 to 3
   */
  static void decode(
      long panelAddress, int part, int blockStart, int blockCount, float[] steps, int slot) {
    int lanes = FLOATS.length();
    int firstLane = part * lanes;
    int offset = slot * lanes;
    // The first steps' place holds the row scales until they are in a register.
    for (int lane = 0; lane < lanes; lane++) {
      long address = panelAddress + ScalarGrid.rowScaleOffsetBytes(firstLane + lane);
      steps[offset + lane] = BFloat16.toFloat(MEMORY.get(LittleEndian.SHORT, address));
    }
    FloatVector rowScales = FloatVector.fromArray(FLOATS, steps, offset);
    long wordAddress =
        panelAddress
            + ScalarGrid.subScalesOffsetBytes(blockStart)
            + (long) firstLane / LANES_PER_WORD * Integer.BYTES;
    int wordShift = firstLane % LANES_PER_WORD * 4;
    for (int k = 0; k < blockCount; k++, wordAddress += Long.BYTES) {
      int word = MEMORY.get(LittleEndian.INT, wordAddress) >>> wordShift;
      IntVector indices = IntVector.broadcast(INTS, word);
      if (Lanes.COUNT > LANES_PER_WORD) {
        int secondWord = MEMORY.get(LittleEndian.INT, wordAddress + Integer.BYTES);
        indices = indices.blend(secondWord, SECOND_WORD);
      }
      indices = indices.lanewise(VectorOperators.LSHR, SHIFTS).and(ScalarGrid.SUB_SCALE_COUNT - 1);
      IntVector subScales = indices.selectFrom(SUB_SCALES_0);
      if (Lanes.COUNT < ScalarGrid.SUB_SCALE_COUNT) {
        subScales =
            subScales.blend(
                indices.selectFrom(SUB_SCALES_1), indices.compare(VectorOperators.GE, Lanes.COUNT));
      }
      if (2 * Lanes.COUNT < ScalarGrid.SUB_SCALE_COUNT) {
        subScales =
            subScales
                .blend(
                    indices.selectFrom(SUB_SCALES_2),
                    indices.compare(VectorOperators.GE, 2 * Lanes.COUNT))
                .blend(
                    indices.selectFrom(SUB_SCALES_3),
                    indices.compare(VectorOperators.GE, 3 * Lanes.COUNT));
      }
      rowScales.mul(subScales.reinterpretAsFloats()).intoArray(steps, 4 * lanes * k + offset);
    }
  }
}
