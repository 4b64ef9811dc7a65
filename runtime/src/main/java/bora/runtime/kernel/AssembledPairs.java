package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RDI;

import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.Zmm;

/**
 * The product of a matrix in {@code q2} and one token in machine code, by {@link PairTables}:
 * streams as in {@link AssembledDot}, which share each table.
 */
final class AssembledPairs {
  static final int STREAMS = 4;

  /** Address of a token's activations, in whole blocks: a parameter of {@link Code#tables}. */
  static final int X = 0;

  /** Address that receives the tables. */
  static final int TABLES = 8;

  static final int TABLE_BLOCKS = 16;

  private static final int PREFETCH_BYTES = 2048;

  /**
   * What has been assembled.
   *
   * @param tables makes a token's tables
   * @param dots the products; their parameters are {@link AssembledDot}'s, with tables in place of
   *     records
   */
  record Code(MachineCode tables, AssembledCode.Dots dots) {
    private static Code instance;

    /**
     * The same at every call, tested at the first.
     *
     * @throws IllegalStateException when it does not compute what it should
     */
    static Code tested() {
      Code code = instance;
      return code != null ? code : make();
    }

    private static synchronized Code make() {
      if (instance == null) {
        AssembledCode.Dots dots = new AssembledCode.Dots(of(1), of(STREAMS), STREAMS);
        Code code = new Code(assembleTables(), dots);
        AssembledSelfTest.run(code);
        instance = code;
      }
      return instance;
    }
  }

  private final Assembler a = new Assembler();
  private final int streams;
  private final AssembledScales scales = new AssembledScales();

  // Registers of stream s: of row scales 4 + s, of words 8 + s, of a unit's sum 12 + s, of a
  // block's 16 + s, of what is looked up 22 + s.
  private final Zmm table = new Zmm(20);
  private final Zmm step = new Zmm(21);

  private AssembledPairs(int streams) {
    this.streams = streams;
  }

  private static MachineCode of(int streams) {
    return MachineCode.of(new AssembledPairs(streams).assemble());
  }

  private static MachineCode assembleTables() {
    Assembler a = new Assembler();
    Zmm lowerLevels = new Zmm(0);
    Zmm upperLevels = new Zmm(1);
    Zmm x = new Zmm(2);
    Zmm table = new Zmm(3);
    Label lower = new Label();
    Label upper = new Label();
    a.vmovups(lowerLevels, Address.of(lower));
    a.vmovups(upperLevels, Address.of(upper));
    a.mov(R8, Address.of(RDI, X));
    a.mov(R9, Address.of(RDI, TABLES));
    a.mov(R10, Address.of(RDI, TABLE_BLOCKS));
    Label block = new Label();
    a.bind(block);
    for (int pair = 0; pair < PairTables.PAIRS; pair++) {
      a.vpbroadcastd(x, Address.of(R8, PairTables.upperColumn(pair) * Float.BYTES));
      Address lowerX = Address.of(R8, PairTables.lowerColumn(pair) * Float.BYTES);
      a.vmulps(table, lowerLevels, lowerX.toEveryLane());
      a.vfmadd231ps(table, upperLevels, x);
      a.vmovups(Address.of(R9, pair * PairTables.TABLE_BYTES), table);
    }
    a.add(R8, ScalarGrid.COLUMNS_PER_BLOCK * Float.BYTES);
    a.add(R9, PairTables.BLOCK_BYTES);
    a.dec(R10);
    a.jnz(block);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    a.align(64);
    a.bind(lower);
    for (int index = 0; index < 16; index++) {
      a.words(Float.floatToRawIntBits(PairTables.lowerLevel(index)));
    }
    a.bind(upper);
    for (int index = 0; index < 16; index++) {
      a.words(Float.floatToRawIntBits(PairTables.upperLevel(index)));
    }
    return MachineCode.of(a);
  }

  private static Zmm rowScales(int stream) {
    return new Zmm(4 + stream);
  }

  private static Zmm word(int stream) {
    return new Zmm(8 + stream);
  }

  private static Zmm unitSum(int stream) {
    return new Zmm(12 + stream);
  }

  private static Zmm blockSum(int stream) {
    return new Zmm(16 + stream);
  }

  /** What is looked up; in turn, so that one does not wait for another's. */
  private static Zmm entry(int stream) {
    return new Zmm(22 + stream);
  }

  private Assembler assemble() {
    scales.prepare(a);
    PanelStreams.assemble(a, streams, this::addPanel);
    scales.putConstants(a);
    return a;
  }

  private void addPanel() {
    for (int s = 0; s < streams; s++) {
      AssembledScales.loadRowScales(a, rowScales(s), AssembledDot.inStream(s, R11, 0));
      a.vpxord(PanelStreams.total(s), PanelStreams.total(s), PanelStreams.total(s));
    }
    a.mov(RAX, R11);
    a.add(RAX, Address.of(RDI, AssembledDot.CODES_OFFSET));
    a.mov(R8, R11);
    a.mov(R9, Address.of(RDI, AssembledDot.RECORDS));
    a.mov(R10, Address.of(RDI, AssembledDot.BLOCKS));
    Label block = new Label();
    a.bind(block);
    addBlock();
    a.add(RAX, PairTables.ENCODING.blockBytes());
    a.add(R8, Long.BYTES);
    a.add(R9, PairTables.BLOCK_BYTES);
    a.dec(R10);
    a.jnz(block);
  }

  private void addBlock() {
    for (int unit = 0; unit < PairTables.UNITS; unit++) {
      int offset = unit * ScalarCodes.UNIT_BYTES;
      for (int s = 0; s < streams; s++) {
        a.prefetcht0(AssembledDot.inStream(s, RAX, PREFETCH_BYTES + offset));
        a.vmovups(word(s), AssembledDot.inStream(s, RAX, offset));
      }
      for (int pair = 0; pair < PairTables.PAIRS_OF_UNIT; pair++) {
        addPair(unit, pair);
      }
      for (int s = 0; s < streams && unit > 0; s++) {
        a.vaddps(blockSum(s), blockSum(s), unitSum(s));
      }
    }
    int indices = (int) ScalarGrid.subScalesOffsetBytes(0);
    for (int s = 0; s < streams; s++) {
      scales.step(
          a,
          step,
          rowScales(s),
          AssembledDot.inStream(s, R8, indices),
          AssembledDot.inStream(s, R8, indices + Integer.BYTES));
      a.vfmadd231ps(PanelStreams.total(s), step, blockSum(s));
    }
  }

  /** The first pair of a unit begins its sum, and the first unit of a block the block's. */
  private void addPair(int unit, int pair) {
    int index = unit * PairTables.PAIRS_OF_UNIT + pair;
    a.vmovups(table, Address.of(R9, index * PairTables.TABLE_BYTES));
    for (int s = 0; s < streams; s++) {
      Zmm sum = unit == 0 ? blockSum(s) : unitSum(s);
      if (pair == 0) {
        a.vpermps(sum, word(s), table);
      } else {
        // Not shifted, which would take a place of the additions on Zen 5.
        a.vprord(entry(s), word(s), PairTables.firstBit(pair));
        a.vpermps(entry(s), entry(s), table);
        a.vaddps(sum, sum, entry(s));
      }
    }
  }
}
