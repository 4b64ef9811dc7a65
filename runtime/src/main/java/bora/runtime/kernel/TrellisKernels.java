package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;
import static bora.runtime.kernel.Lanes.INTS;
import static bora.runtime.kernel.Lanes.LITTLE_ENDIAN;
import static bora.runtime.kernel.Lanes.MEMORY;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Trellis codes by vectors of bytes, a row each. A column's bytes are gathered twice into words of
 * 16 bits, one for the lowest seven bits of each row's state and one for the highest, brought to
 * the upper byte of the word by a multiplication (a shift that differs from lane to lane is slow
 * before AVX-512), and the words of every other row then brought to the lower. Looks into the two
 * tables of 128 bytes make levels of them.
 *
 * <p>Rows stand so that byte j of word i of 32 bits is row {@code j * words + i}: levels become
 * floats as {@link Q8Kernels} has it. Vectors of 512 bits take all rows of a panel, those of 256
 * half of them, with four vectors for a table in place of two; a column of {@code t5} does not fit
 * them. What 128 bits would do is not faster than a table of all states.
 */
final class TrellisKernels {
  private static final VectorSpecies<Byte> BYTES = FLOATS.withLanes(byte.class);
  private static final VectorSpecies<Short> SHORTS = FLOATS.withLanes(short.class);

  /** Rows of a vector, and its bytes. */
  private static final int ROWS = BYTES.length();

  private static final int WORD_BYTES = Integer.BYTES;
  private static final int HIGH_INDEX_BIT =
      TrellisCode.STATE_BITS - Integer.numberOfTrailingZeros(TrellisCode.LEVELS);

  // In arrays for the reason that Q4Kernels gives.
  private static final int[] INT_CONSTANTS = {0xff00, Float.floatToRawIntBits(0x1p15f)};
  private static final float[] FLOAT_CONSTANTS = {0x1p15f + TrellisCode.CENTRE};
  private static final short[] SHORT_CONSTANTS = {0xff};
  private static final byte[] BYTE_CONSTANTS = {64};

  private static final Tables[] TABLES = new Tables[Encoding.values().length];

  static {
    for (Encoding encoding : Encoding.values()) {
      if (encoding.isTrellis() && decodes(encoding)) {
        TABLES[encoding.ordinal()] = Tables.of(encoding);
      }
    }
  }

  private TrellisKernels() {}

  /**
   * What decoding goes by. Four times {@link #ROWS} bytes for each vector of rows: for the lowest
   * bits of even rows, of odd ones, and for the highest of both.
   *
   * @param gathers which bytes go where
   * @param factors the power of two that brings a word's index to its upper byte
   */
  private record Tables(byte[] gathers, short[] factors, byte[] mixes, byte[] levels) {
    static Tables of(Encoding encoding) {
      byte[] gathers = new byte[4 * TrellisPanel.ROWS];
      short[] factors = new short[gathers.length / Short.BYTES];
      int columnBytes = TrellisPanel.columnBytes(encoding);
      for (int i = 0; i < factors.length; i++) {
        int part = i / (ROWS / Short.BYTES);
        int lane = i % (ROWS / Short.BYTES) * Short.BYTES + part % 2;
        int row = part / 4 * ROWS + lane % WORD_BYTES * (ROWS / WORD_BYTES) + lane / WORD_BYTES;
        int bit = encoding.codeBits() * row + (part % 4 < 2 ? 0 : HIGH_INDEX_BIT);
        // A vector ends with its column: what stands before that is in the panel too.
        int before = ROWS - columnBytes;
        int first = bit / Byte.SIZE;
        gathers[2 * i] = (byte) (before + first % columnBytes);
        gathers[2 * i + 1] = (byte) (before + (first + 1) % columnBytes);
        factors[i] = (short) (1 << (Byte.SIZE - bit % Byte.SIZE));
      }
      TrellisCode code = TrellisCode.of(encoding);
      return new Tables(gathers, factors, code.mixes(), code.levels());
    }
  }

  /** Whether this process's vectors decode a trellis encoding. */
  static boolean decodes(Encoding encoding) {
    return ROWS >= TrellisPanel.ROWS / 2 && TrellisPanel.columnBytes(encoding) <= ROWS;
  }

  /**
   * Decodes columns of a panel, without the rows' scales.
   *
   * @param address of the first column
   * @param tile receives row {@code 16 p + l} of column c at {@code p * panelFloats + 16 c + l}
   */
  static void decode(Encoding encoding, long address, int columns, float[] tile, int panelFloats) {
    Tables tables = TABLES[encoding.ordinal()];
    int columnBytes = TrellisPanel.columnBytes(encoding);
    long start = address - (ROWS - columnBytes);
    if (ROWS == TrellisPanel.ROWS) {
      decodeAll(start, columnBytes, columns, tables, tile, panelFloats);
    } else {
      decodeHalf(start, columnBytes, columns, tables, 0, tile, 0, panelFloats);
      decodeHalf(start, columnBytes, columns, tables, 4 * ROWS, tile, 2 * panelFloats, panelFloats);
    }
  }

  private static void decodeAll(
      long address, int columnBytes, int columns, Tables tables, float[] tile, int panelFloats) {
    ByteVector lowEven = ByteVector.fromArray(BYTES, tables.gathers, 0);
    ByteVector lowOdd = ByteVector.fromArray(BYTES, tables.gathers, ROWS);
    ByteVector highEven = ByteVector.fromArray(BYTES, tables.gathers, 2 * ROWS);
    ByteVector highOdd = ByteVector.fromArray(BYTES, tables.gathers, 3 * ROWS);
    ShortVector lowEvenFactor = ShortVector.fromArray(SHORTS, tables.factors, 0);
    ShortVector lowOddFactor = ShortVector.fromArray(SHORTS, tables.factors, ROWS / 2);
    ShortVector highEvenFactor = ShortVector.fromArray(SHORTS, tables.factors, ROWS);
    ShortVector highOddFactor = ShortVector.fromArray(SHORTS, tables.factors, 3 * ROWS / 2);
    ByteVector mix0 = ByteVector.fromArray(BYTES, tables.mixes, 0);
    ByteVector mix1 = ByteVector.fromArray(BYTES, tables.mixes, ROWS);
    ByteVector level0 = ByteVector.fromArray(BYTES, tables.levels, 0);
    ByteVector level1 = ByteVector.fromArray(BYTES, tables.levels, ROWS);
    ShortVector lower = ShortVector.broadcast(SHORTS, SHORT_CONSTANTS[0]);
    IntVector mask8 = IntVector.broadcast(INTS, INT_CONSTANTS[0]);
    IntVector one8 = IntVector.broadcast(INTS, INT_CONSTANTS[1]);
    FloatVector zero8 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[0]);
    for (int c = 0; c < columns; c++) {
      ByteVector column =
          ByteVector.fromMemorySegment(
              BYTES, MEMORY, address + (long) columnBytes * c, LITTLE_ENDIAN);
      ShortVector even = lowEven.selectFrom(column).reinterpretAsShorts().mul(lowEvenFactor);
      ShortVector odd = lowOdd.selectFrom(column).reinterpretAsShorts().mul(lowOddFactor);
      ShortVector low = even.lanewise(VectorOperators.LSHR, 8).and(lower).or(odd.and(lower.not()));
      even = highEven.selectFrom(column).reinterpretAsShorts().mul(highEvenFactor);
      odd = highOdd.selectFrom(column).reinterpretAsShorts().mul(highOddFactor);
      ShortVector high = even.lanewise(VectorOperators.LSHR, 8).and(lower).or(odd.and(lower.not()));
      IntVector levels =
          high.reinterpretAsBytes()
              .selectFrom(mix0, mix1)
              .lanewise(VectorOperators.XOR, low.reinterpretAsBytes())
              .selectFrom(level0, level1)
              .reinterpretAsInts();
      int t = 16 * c;
      levels
          .lanewise(VectorOperators.LSHL, 8)
          .and(mask8)
          .or(one8)
          .reinterpretAsFloats()
          .sub(zero8)
          .intoArray(tile, t);
      levels.and(mask8).or(one8).reinterpretAsFloats().sub(zero8).intoArray(tile, t + panelFloats);
      levels
          .lanewise(VectorOperators.LSHR, 8)
          .and(mask8)
          .or(one8)
          .reinterpretAsFloats()
          .sub(zero8)
          .intoArray(tile, t + 2 * panelFloats);
      levels
          .lanewise(VectorOperators.LSHR, 16)
          .and(mask8)
          .or(one8)
          .reinterpretAsFloats()
          .sub(zero8)
          .intoArray(tile, t + 3 * panelFloats);
    }
  }

  /**
   * @param part where this half's gathers begin
   * @param tileOffset where its first panel of 16 rows does
   */
  private static void decodeHalf(
      long address,
      int columnBytes,
      int columns,
      Tables tables,
      int part,
      float[] tile,
      int tileOffset,
      int panelFloats) {
    ByteVector lowEven = ByteVector.fromArray(BYTES, tables.gathers, part);
    ByteVector lowOdd = ByteVector.fromArray(BYTES, tables.gathers, part + ROWS);
    ByteVector highEven = ByteVector.fromArray(BYTES, tables.gathers, part + 2 * ROWS);
    ByteVector highOdd = ByteVector.fromArray(BYTES, tables.gathers, part + 3 * ROWS);
    int words = part / 2;
    ShortVector lowEvenFactor = ShortVector.fromArray(SHORTS, tables.factors, words);
    ShortVector lowOddFactor = ShortVector.fromArray(SHORTS, tables.factors, words + ROWS / 2);
    ShortVector highEvenFactor = ShortVector.fromArray(SHORTS, tables.factors, words + ROWS);
    ShortVector highOddFactor = ShortVector.fromArray(SHORTS, tables.factors, words + 3 * ROWS / 2);
    ByteVector mix0 = ByteVector.fromArray(BYTES, tables.mixes, 0);
    ByteVector mix1 = ByteVector.fromArray(BYTES, tables.mixes, ROWS);
    ByteVector mix2 = ByteVector.fromArray(BYTES, tables.mixes, 2 * ROWS);
    ByteVector mix3 = ByteVector.fromArray(BYTES, tables.mixes, 3 * ROWS);
    ByteVector level0 = ByteVector.fromArray(BYTES, tables.levels, 0);
    ByteVector level1 = ByteVector.fromArray(BYTES, tables.levels, ROWS);
    ByteVector level2 = ByteVector.fromArray(BYTES, tables.levels, 2 * ROWS);
    ByteVector level3 = ByteVector.fromArray(BYTES, tables.levels, 3 * ROWS);
    ByteVector halfTable = ByteVector.broadcast(BYTES, BYTE_CONSTANTS[0]);
    ShortVector lower = ShortVector.broadcast(SHORTS, SHORT_CONSTANTS[0]);
    IntVector mask8 = IntVector.broadcast(INTS, INT_CONSTANTS[0]);
    IntVector one8 = IntVector.broadcast(INTS, INT_CONSTANTS[1]);
    FloatVector zero8 = FloatVector.broadcast(FLOATS, FLOAT_CONSTANTS[0]);
    for (int c = 0; c < columns; c++) {
      ByteVector column =
          ByteVector.fromMemorySegment(
              BYTES, MEMORY, address + (long) columnBytes * c, LITTLE_ENDIAN);
      ShortVector even = lowEven.selectFrom(column).reinterpretAsShorts().mul(lowEvenFactor);
      ShortVector odd = lowOdd.selectFrom(column).reinterpretAsShorts().mul(lowOddFactor);
      ShortVector low = even.lanewise(VectorOperators.LSHR, 8).and(lower).or(odd.and(lower.not()));
      even = highEven.selectFrom(column).reinterpretAsShorts().mul(highEvenFactor);
      odd = highOdd.selectFrom(column).reinterpretAsShorts().mul(highOddFactor);
      ByteVector index =
          even.lanewise(VectorOperators.LSHR, 8)
              .and(lower)
              .or(odd.and(lower.not()))
              .reinterpretAsBytes();
      VectorMask<Byte> upper = index.and(halfTable).compare(VectorOperators.NE, (byte) 0);
      index =
          index
              .selectFrom(mix0, mix1)
              .blend(index.selectFrom(mix2, mix3), upper)
              .lanewise(VectorOperators.XOR, low.reinterpretAsBytes());
      upper = index.and(halfTable).compare(VectorOperators.NE, (byte) 0);
      IntVector levels =
          index
              .selectFrom(level0, level1)
              .blend(index.selectFrom(level2, level3), upper)
              .reinterpretAsInts();
      int t = tileOffset + 16 * c;
      levels
          .lanewise(VectorOperators.LSHL, 8)
          .and(mask8)
          .or(one8)
          .reinterpretAsFloats()
          .sub(zero8)
          .intoArray(tile, t);
      levels.and(mask8).or(one8).reinterpretAsFloats().sub(zero8).intoArray(tile, t + 8);
      levels
          .lanewise(VectorOperators.LSHR, 8)
          .and(mask8)
          .or(one8)
          .reinterpretAsFloats()
          .sub(zero8)
          .intoArray(tile, t + panelFloats);
      levels
          .lanewise(VectorOperators.LSHR, 16)
          .and(mask8)
          .or(one8)
          .reinterpretAsFloats()
          .sub(zero8)
          .intoArray(tile, t + panelFloats + 8);
    }
  }
}
