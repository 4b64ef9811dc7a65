package bora.formats.encoding;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Where the codes of a block stand in its units: the one definition, for packing and unpacking. */
public final class ScalarCodes {
  /** Bytes of a unit: a word for each of 16 lanes. */
  public static final int UNIT_BYTES = 64;

  /**
   * Bits of a word of q5, q3 and q2 that hold whole codes, and columns of 32 that do not need the
   * other two.
   */
  private static final int PAIRED_BITS = 30;

  /** By encoding, once they are asked for. */
  private static final Layout[] LAYOUTS = new Layout[Encoding.values().length];

  private ScalarCodes() {}

  /**
   * Where some bits of a code stand: the bits from {@code codeBit} on under {@code mask}, from bit
   * {@code wordBit} on of their lane's word in a unit of the block.
   */
  public record Field(int unit, int codeBit, int mask, int wordBit) {
    /** These bits of a code, in their place, out of a word of the unit. */
    int of(int word) {
      return (word >>> wordBit & mask) << codeBit;
    }
  }

  private record ColumnField(int column, Field field) {}

  /** Units of a block; each has a 32-bit word a lane. */
  public static int unitCount(Encoding encoding) {
    return encoding.blockBytes() / UNIT_BYTES;
  }

  /**
   * The fields that together hold the codes of a column, one field but for the sixteenth columns of
   * q6 and the last two of 32 of q5, q3 and q2, whose bits stand in what the others leave over.
   *
   * @param column of the block, 0 to 63
   */
  public static List<Field> fields(Encoding encoding, int column) {
    return switch (encoding) {
      case Q8 -> List.of(new Field(column / 4, 0, 0xFF, 8 * (column % 4)));
      case Q4 -> List.of(new Field(column / 8, 0, 0xF, 4 * (column % 8)));
      case Q6 -> sixBitFields(column / 16, column % 16);
      case Q5, Q3, Q2 -> pairedFields(encoding.codeBits(), column / 32, column % 32);
      default -> throw new IllegalArgumentException(encoding + " has no codes");
    };
  }

  /** The fields of a block, by column and by unit. */
  private record Layout(Field[][] ofColumn, ColumnField[][] ofUnit) {
    static Layout of(Encoding encoding) {
      Layout layout = LAYOUTS[encoding.ordinal()];
      if (layout == null) {
        layout = make(encoding);
        LAYOUTS[encoding.ordinal()] = layout;
      }
      return layout;
    }

    private static Layout make(Encoding encoding) {
      Field[][] ofColumn = new Field[ScalarGrid.COLUMNS_PER_BLOCK][];
      List<ColumnField> all = new ArrayList<>();
      for (int column = 0; column < ofColumn.length; column++) {
        ofColumn[column] = fields(encoding, column).toArray(Field[]::new);
        for (Field field : ofColumn[column]) {
          all.add(new ColumnField(column, field));
        }
      }
      ColumnField[][] ofUnit = new ColumnField[unitCount(encoding)][];
      Arrays.setAll(
          ofUnit,
          unit -> all.stream().filter(f -> f.field.unit == unit).toArray(ColumnField[]::new));
      return new Layout(ofColumn, ofUnit);
    }
  }

  private static List<Field> sixBitFields(int group, int column) {
    if (column < 15) {
      return List.of(new Field(3 * group + column / 5, 0, 0x3F, 6 * (column % 5)));
    }
    return IntStream.range(0, 3).mapToObj(j -> new Field(3 * group + j, 2 * j, 3, 30)).toList();
  }

  private static List<Field> pairedFields(int bits, int group, int column) {
    int perWord = PAIRED_BITS / bits;
    if (column < PAIRED_BITS) {
      int wordBit = 2 + bits * (column % perWord);
      return List.of(new Field(bits * group + column / perWord, 0, (1 << bits) - 1, wordBit));
    }
    int first = column == PAIRED_BITS ? 0 : bits;
    return IntStream.range(0, bits)
        .mapToObj(i -> new Field(bits * group + pairUnit(bits, first + i), i, 1, (first + i) % 2))
        .toList();
  }

  /** Which word of a group has a bit of the codes of its last two columns in its pair. */
  private static int pairUnit(int bits, int bit) {
    return bits - 1 - bit / 2;
  }

  /**
   * Packs a block of codes.
   *
   * @param codes the code of lane r, column c at {@code c * 16 + r}, below 2^bits
   * @param block receives {@link Encoding#blockBytes()} bytes from {@code offsetBytes}
   */
  public static void packBlock(
      Encoding encoding, byte[] codes, MemorySegment block, long offsetBytes) {
    int[] words = new int[unitCount(encoding) * ScalarGrid.LANES];
    Field[][] fields = Layout.of(encoding).ofColumn;
    for (int column = 0; column < fields.length; column++) {
      for (Field field : fields[column]) {
        for (int lane = 0; lane < ScalarGrid.LANES; lane++) {
          int code = codes[column * ScalarGrid.LANES + lane];
          words[field.unit() * ScalarGrid.LANES + lane] |=
              (code >>> field.codeBit() & field.mask()) << field.wordBit();
        }
      }
    }
    MemorySegment.copy(words, 0, block, LittleEndian.INT, offsetBytes, words.length);
  }

  /** The code of one lane and column, 0 to 63, of the block at {@code offsetBytes}. */
  static int codeAt(
      Encoding encoding, MemorySegment panel, long offsetBytes, int lane, int column) {
    int code = 0;
    for (Field field : Layout.of(encoding).ofColumn[column]) {
      code |= field.of(word(panel, offsetBytes, lane, field.unit));
    }
    return code;
  }

  /**
   * The codes of one lane of the block at {@code offsetBytes}. A word is read once, since the quick
   * compiler makes no more of a loop than it says.
   *
   * @param codes receives those of the first {@code columns}, from {@code offset}
   */
  static void unpackLane(
      Encoding encoding,
      MemorySegment panel,
      long offsetBytes,
      int lane,
      float[] codes,
      int offset,
      int columns) {
    Arrays.fill(codes, offset, offset + columns, 0);
    ColumnField[][] units = Layout.of(encoding).ofUnit;
    for (int unit = 0; unit < units.length; unit++) {
      int word = word(panel, offsetBytes, lane, unit);
      for (ColumnField of : units[unit]) {
        if (of.column < columns) {
          codes[offset + of.column] += of.field.of(word);
        }
      }
    }
  }

  private static int word(MemorySegment panel, long offsetBytes, int lane, int unit) {
    return panel.get(LittleEndian.INT, offsetBytes + (long) unit * UNIT_BYTES + lane * 4L);
  }
}
