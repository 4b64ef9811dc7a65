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

  private static final int PREFETCH_BYTES = 2048;

  /**
   * What has been assembled.
   *
   * @param tables makes a token's tables; {@link AssembledPairTables} has its parameters
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
        Code code = new Code(AssembledPairTables.assembled(), dots);
        AssembledSelfTest.run(code);
        instance = code;
      }
      return instance;
    }
  }

  private final Assembler a = new Assembler();
  private final int streams;
  private final AssembledScales scales = new AssembledScales();
  private final Label ones = new Label();
  private final Label places = new Label();
  private final Label placeBits = new Label();

  // Registers of stream s: of row scales 4 + s, of a digit's sum 8 + 4 * digit + s, of words 20 +
  // s,
  // of what is looked up 24 + s, of which some serve for the steps.
  private final Zmm step = new Zmm(24);
  private final Zmm table = new Zmm(28);
  private final Zmm one = new Zmm(29);
  private final Zmm place = new Zmm(30);
  private final Zmm placeMask = new Zmm(31);

  private AssembledPairs(int streams) {
    this.streams = streams;
  }

  private static MachineCode of(int streams) {
    return MachineCode.of(new AssembledPairs(streams).assemble());
  }

  private static Zmm rowScales(int stream) {
    return new Zmm(4 + stream);
  }

  private static Zmm dot(int stream, int digit) {
    return new Zmm(8 + STREAMS * digit + stream);
  }

  /** A word, and then the places of its bytes in a table. */
  private static Zmm word(int stream) {
    return new Zmm(20 + stream);
  }

  private static Zmm entry(int stream) {
    return new Zmm(24 + stream);
  }

  private Assembler assemble() {
    scales.prepare(a);
    a.vpbroadcastd(one, Address.of(ones));
    a.vpbroadcastd(place, Address.of(places));
    a.vpbroadcastd(placeMask, Address.of(placeBits));
    PanelStreams.assemble(a, streams, this::addPanel);
    scales.putConstants(a);
    a.bind(ones);
    a.words(0x01010101);
    a.bind(places);
    a.words(0x30201000);
    a.bind(placeBits);
    a.words(0x30303030);
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
    for (int s = 0; s < streams; s++) {
      for (int digit = 0; digit < PairTables.DIGITS.count(); digit++) {
        a.vpxord(dot(s, digit), dot(s, digit), dot(s, digit));
      }
    }
    for (int unit = 0; unit < PairTables.UNITS; unit++) {
      for (int s = 0; s < streams; s++) {
        int offset = PREFETCH_BYTES + unit * ScalarCodes.UNIT_BYTES;
        a.prefetcht0(AssembledDot.inStream(s, RAX, offset));
      }
      for (int half = 0; half < PairTables.HALVES; half++) {
        addHalf(unit, half);
      }
    }
    int indices = (int) ScalarGrid.subScalesOffsetBytes(0);
    for (int s = 0; s < streams; s++) {
      joinDigits(s);
      scales.step(
          a,
          step,
          rowScales(s),
          AssembledDot.inStream(s, R8, indices),
          AssembledDot.inStream(s, R8, indices + Integer.BYTES));
      a.vfmadd231ps(PanelStreams.total(s), step, dot(s, 0));
    }
  }

  /** Half of each byte of a unit's words. */
  private void addHalf(int unit, int half) {
    for (int s = 0; s < streams; s++) {
      a.vmovdqu32(word(s), AssembledDot.inStream(s, RAX, unit * ScalarCodes.UNIT_BYTES));
      if (half > 0) {
        a.vpsrld(word(s), word(s), Byte.SIZE / PairTables.HALVES);
      }
      // A table has 64 bytes: of an index the six lowest bits count.
      a.copyMasked(word(s), place, placeMask);
    }
    for (int digit = 0; digit < PairTables.DIGITS.count(); digit++) {
      a.vmovdqu32(table, Address.of(R9, PairTables.tableOffset(unit, half, digit)));
      for (int s = 0; s < streams; s++) {
        a.vpermb(entry(s), word(s), table);
        a.vpdpbusd(dot(s, digit), one, entry(s));
      }
    }
  }

  /** The sum of numbers, below 2^29, and times the tables' step. */
  private void joinDigits(int stream) {
    Zmm sum = dot(stream, 0);
    for (int digit = 1; digit < PairTables.DIGITS.count(); digit++) {
      a.vpslld(dot(stream, digit), dot(stream, digit), Byte.SIZE * digit);
      a.vpaddd(sum, sum, dot(stream, digit));
    }
    a.vcvtdq2ps(sum, sum);
    a.vmulps(sum, sum, Address.of(R9, PairTables.STEP_OFFSET).toEveryLane());
  }
}
