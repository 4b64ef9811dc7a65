package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.INTS;
import static bora.runtime.kernel.Lanes.LITTLE_ENDIAN;
import static bora.runtime.kernel.Lanes.MEMORY;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisPanel;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The symbols of a trellis panel, unpacked for some columns ahead of the kernels: a field of {@code
 * 4 K} bits for each lane of a column. The lanes of a column are a circle, because its string is;
 * so its last lanes stand once more before the first, and a kernel finds a lane's elder neighbour
 * by loading from one place before.
 */
final class TrellisFields {
  /** Columns that are unpacked at once. */
  static final int COLUMNS = 64;

  /** Ints from one column to the next. */
  static final int STRIDE = 32;

  /** Where lane 0 is among the ints of a column; the lanes before it are the last once more. */
  static final int FIRST_LANE = 16;

  private static final int REPEATED_LANES = 2;

  private TrellisFields() {}

  /** The room that fields need. */
  static int[] allocate() {
    return new int[COLUMNS * STRIDE];
  }

  /**
   * Unpacks some blocks, whole.
   *
   * @param address of the first block's first unit
   * @param blocks at most {@code COLUMNS / TrellisPanel.COLUMNS_PER_BLOCK}
   * @param fields receives lane l of column c at {@code c * STRIDE + FIRST_LANE + l}; of {@code t1}
   *     the field of its elder neighbour too, above its own
   */
  static void unpack(Encoding encoding, long address, int blocks, int[] fields) {
    int bits = encoding.codeBits();
    for (int part = 0; part < Lanes.PARTS; part++) {
      long partAddress = address + (long) part * Lanes.COUNT * Integer.BYTES;
      int offset = FIRST_LANE + part * Lanes.COUNT;
      switch (encoding) {
        case T3 -> unpack3(partAddress, blocks, fields, offset);
        case T5 -> unpack5(partAddress, blocks, fields, offset);
        default ->
            unpackWhole(
                partAddress,
                blocks * bits,
                Integer.SIZE / (TrellisPanel.ROWS_PER_LANE * bits),
                TrellisPanel.ROWS_PER_LANE * bits,
                fields,
                offset);
      }
    }
    repeatLastLanes(blocks * TrellisPanel.COLUMNS_PER_BLOCK, fields);
    if (encoding == Encoding.T1) {
      joinNeighbours(blocks * TrellisPanel.COLUMNS_PER_BLOCK, fields);
    }
  }

  /** Fields that fill their units: of 4, 8 and 16 bits. */
  private static void unpackWhole(
      long address, int units, int fieldsPerUnit, int fieldBits, int[] fields, int offset) {
    IntVector mask = IntVector.broadcast(INTS, (1 << fieldBits) - 1);
    IntVector shift = IntVector.broadcast(INTS, fieldBits);
    int f = offset;
    for (int unit = 0; unit < units; unit++) {
      IntVector word =
          IntVector.fromMemorySegment(INTS, MEMORY, address + 64L * unit, LITTLE_ENDIAN);
      for (int field = 0; field < fieldsPerUnit; field++, f += STRIDE) {
        word.and(mask).intoArray(fields, f);
        word = word.lanewise(VectorOperators.LSHR, shift);
      }
    }
  }

  private static void unpack3(long address, int blocks, int[] fields, int offset) {
    IntVector mask = IntVector.broadcast(INTS, 0xfff);
    for (int block = 0; block < blocks; block++) {
      long at = address + 3 * 64L * block;
      int f = offset + 8 * STRIDE * block;
      IntVector word0 = IntVector.fromMemorySegment(INTS, MEMORY, at, LITTLE_ENDIAN);
      IntVector word1 = IntVector.fromMemorySegment(INTS, MEMORY, at + 64, LITTLE_ENDIAN);
      IntVector word2 = IntVector.fromMemorySegment(INTS, MEMORY, at + 128, LITTLE_ENDIAN);
      word0.and(mask).intoArray(fields, f);
      word0.lanewise(VectorOperators.LSHR, 12).and(mask).intoArray(fields, f + STRIDE);
      word0
          .lanewise(VectorOperators.LSHR, 24)
          .or(word1.lanewise(VectorOperators.LSHL, 8))
          .and(mask)
          .intoArray(fields, f + 2 * STRIDE);
      word1.lanewise(VectorOperators.LSHR, 4).and(mask).intoArray(fields, f + 3 * STRIDE);
      word1.lanewise(VectorOperators.LSHR, 16).and(mask).intoArray(fields, f + 4 * STRIDE);
      word1
          .lanewise(VectorOperators.LSHR, 28)
          .or(word2.lanewise(VectorOperators.LSHL, 4))
          .and(mask)
          .intoArray(fields, f + 5 * STRIDE);
      word2.lanewise(VectorOperators.LSHR, 8).and(mask).intoArray(fields, f + 6 * STRIDE);
      word2.lanewise(VectorOperators.LSHR, 20).intoArray(fields, f + 7 * STRIDE);
    }
  }

  private static void unpack5(long address, int blocks, int[] fields, int offset) {
    IntVector mask = IntVector.broadcast(INTS, 0xfffff);
    for (int block = 0; block < blocks; block++) {
      long at = address + 5 * 64L * block;
      int f = offset + 8 * STRIDE * block;
      IntVector word0 = IntVector.fromMemorySegment(INTS, MEMORY, at, LITTLE_ENDIAN);
      IntVector word1 = IntVector.fromMemorySegment(INTS, MEMORY, at + 64, LITTLE_ENDIAN);
      IntVector word2 = IntVector.fromMemorySegment(INTS, MEMORY, at + 128, LITTLE_ENDIAN);
      IntVector word3 = IntVector.fromMemorySegment(INTS, MEMORY, at + 192, LITTLE_ENDIAN);
      IntVector word4 = IntVector.fromMemorySegment(INTS, MEMORY, at + 256, LITTLE_ENDIAN);
      word0.and(mask).intoArray(fields, f);
      word0
          .lanewise(VectorOperators.LSHR, 20)
          .or(word1.lanewise(VectorOperators.LSHL, 12))
          .and(mask)
          .intoArray(fields, f + STRIDE);
      word1.lanewise(VectorOperators.LSHR, 8).and(mask).intoArray(fields, f + 2 * STRIDE);
      word1
          .lanewise(VectorOperators.LSHR, 28)
          .or(word2.lanewise(VectorOperators.LSHL, 4))
          .and(mask)
          .intoArray(fields, f + 3 * STRIDE);
      word2
          .lanewise(VectorOperators.LSHR, 16)
          .or(word3.lanewise(VectorOperators.LSHL, 16))
          .and(mask)
          .intoArray(fields, f + 4 * STRIDE);
      word3.lanewise(VectorOperators.LSHR, 4).and(mask).intoArray(fields, f + 5 * STRIDE);
      word3
          .lanewise(VectorOperators.LSHR, 24)
          .or(word4.lanewise(VectorOperators.LSHL, 8))
          .and(mask)
          .intoArray(fields, f + 6 * STRIDE);
      word4.lanewise(VectorOperators.LSHR, 12).intoArray(fields, f + 7 * STRIDE);
    }
  }

  private static void repeatLastLanes(int columns, int[] fields) {
    for (int column = 0; column < columns; column++) {
      int lane0 = column * STRIDE + FIRST_LANE;
      for (int lane = -REPEATED_LANES; lane < 0; lane++) {
        fields[lane0 + lane] = fields[lane0 + lane + TrellisPanel.LANES];
      }
    }
  }

  /** Lanes are joined from the last to the first, so that a neighbour is still alone when taken. */
  private static void joinNeighbours(int columns, int[] fields) {
    for (int column = 0; column < columns; column++) {
      int lane0 = column * STRIDE + FIRST_LANE;
      for (int part = Lanes.PARTS - 1; part >= 0; part--) {
        int f = lane0 + part * Lanes.COUNT;
        IntVector own = IntVector.fromArray(INTS, fields, f);
        IntVector elder = IntVector.fromArray(INTS, fields, f - 1);
        own.or(elder.lanewise(VectorOperators.LSHL, TrellisPanel.ROWS_PER_LANE))
            .intoArray(fields, f);
      }
    }
    repeatLastLanes(columns, fields);
  }
}
