package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.RAX;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Gpr;
import bora.runtime.machine.Label;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;

/**
 * Assembles the decoding of four columns of a trellis panel to the bytes of their levels.
 *
 * <p>Of each column, a word of 32 bits takes the bytes of its string that the states of four rows
 * need, and a byte of that word the lower or the upper seven bits of one state; the bits above them
 * are ignored where they serve as an index. Words stand so that, when the bytes of four columns are
 * interleaved, four vectors result of 16 successive rows each.
 */
final class TrellisLevels {
  /** Columns of a group. */
  static final int COLUMNS = 4;

  /** Vectors of 16 rows that a group is decoded to. */
  static final int VECTORS = TrellisPanel.ROWS / ScalarGrid.LANES;

  /** This register and those above it have nothing to keep between two groups. */
  static final int FIRST_TEMPORARY = 27;

  private static final int VECTOR_BYTES = 64;
  private static final int ROWS_PER_WORD = 4;
  private static final int INDEX_BITS = Integer.numberOfTrailingZeros(TrellisCode.LEVELS);
  private static final MaskRegister STRING = MaskRegister.K1;

  private final Zmm gather = new Zmm(20);
  private final Zmm lowStarts = new Zmm(21);
  private final Zmm highStarts = new Zmm(22);
  private final Zmm[] mix = {new Zmm(23), new Zmm(24)};
  private final Zmm[] levels = {new Zmm(25), new Zmm(26)};
  private final Zmm[] column = {
    new Zmm(FIRST_TEMPORARY),
    new Zmm(FIRST_TEMPORARY + 1),
    new Zmm(FIRST_TEMPORARY + 2),
    new Zmm(FIRST_TEMPORARY + 3)
  };
  private final Zmm other = new Zmm(FIRST_TEMPORARY + 4);

  private final Encoding encoding;
  private final int columnBytes;
  private final Label constants = new Label();

  TrellisLevels(Encoding encoding) {
    this.encoding = encoding;
    columnBytes = TrellisPanel.columnBytes(encoding);
  }

  /** The order of a block's columns, as {@link CodeOrder#of}: as they are. */
  static byte[] order() {
    byte[] order = new byte[ActivationDigits.BLOCK_COLUMNS];
    for (int i = 0; i < order.length; i++) {
      order[i] = (byte) i;
    }
    return order;
  }

  /** The bytes of four columns. */
  int groupBytes() {
    return COLUMNS * columnBytes;
  }

  /** What receives the levels. */
  interface Levels {
    /**
     * Assembles the use of a vector; four bytes of a lane are four columns of a row.
     *
     * @param vector the vector that is ready: of rows {@code 16 vector} to {@code 16 vector + 15}
     */
    void assemble(int vector, Zmm levels);
  }

  /** Assembles the loading of constants; takes the registers 20 to 26, and K1. */
  void prepare(Assembler a) {
    a.mov(RAX, (1L << (columnBytes / Integer.BYTES)) - 1);
    a.kmovw(STRING, RAX);
    Zmm[] targets = {gather, lowStarts, highStarts, mix[0], mix[1], levels[0], levels[1]};
    a.lea(RAX, Address.of(constants));
    for (int i = 0; i < targets.length; i++) {
      a.vmovdqu32(targets[i], Address.of(RAX, i * VECTOR_BYTES));
    }
  }

  /**
   * Assembles the decoding of a group.
   *
   * @param codes where the group's first column is
   */
  void decode(Assembler a, Gpr codes, Levels use) {
    for (int c = 0; c < COLUMNS; c++) {
      // Only the column's own bytes are read: behind the last there may be nothing.
      a.vmovups(other, STRING, Address.of(codes, c * columnBytes));
      a.vpermb(other, gather, other);
      a.vpmultishiftqb(column[c], lowStarts, other);
      a.vpmultishiftqb(other, highStarts, other);
      a.vpermi2b(other, mix[0], mix[1]);
      a.vpxord(column[c], column[c], other);
      a.vpermi2b(column[c], levels[0], levels[1]);
    }
    a.vpunpcklbw(other, column[0], column[1]);
    a.vpunpckhbw(column[1], column[0], column[1]);
    a.vpunpcklbw(column[0], column[2], column[3]);
    a.vpunpckhbw(column[3], column[2], column[3]);
    a.vpunpcklwd(column[2], other, column[0]);
    use.assemble(0, column[2]);
    a.vpunpckhwd(other, other, column[0]);
    use.assemble(1, other);
    a.vpunpcklwd(column[0], column[1], column[3]);
    use.assemble(2, column[0]);
    a.vpunpckhwd(column[1], column[1], column[3]);
    use.assemble(3, column[1]);
  }

  /** Assembles the constants, to stand behind the code. */
  void putConstants(Assembler a) {
    int bits = encoding.codeBits();
    byte[] bytes = new byte[VECTOR_BYTES];
    byte[] low = new byte[VECTOR_BYTES];
    byte[] high = new byte[VECTOR_BYTES];
    for (int i = 0; i < VECTOR_BYTES; i++) {
      int lane = i / 16;
      int word = i % 16 / Integer.BYTES;
      int firstBit = bits * (ScalarGrid.LANES * word + ROWS_PER_WORD * lane);
      int place = i % Integer.BYTES;
      bytes[i] = (byte) ((firstBit / Byte.SIZE + place) % columnBytes);
      int start = Integer.SIZE * (word % 2) + firstBit % Byte.SIZE + bits * place;
      low[i] = (byte) start;
      high[i] = (byte) (start + TrellisCode.STATE_BITS - INDEX_BITS);
    }
    a.align(VECTOR_BYTES);
    a.bind(constants);
    a.bytes(bytes);
    a.bytes(low);
    a.bytes(high);
    a.bytes(TrellisCode.of(encoding).mixes());
    a.bytes(TrellisCode.of(encoding).levels());
  }
}
