package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;
import static bora.runtime.machine.Gpr.RSI;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.Zmm;

/**
 * Assembles the product of a panel of {@code t2} to {@code t5} and one token, without the rows'
 * scales: what {@link TrellisKernels#multiply} computes, operation by operation but for a power of
 * two. The hash stays an integer's float h in place of {@code u = h * 2^-31}; only {@code u^2} is
 * brought down by {@code 2^-62}, by a subtraction from its exponent, which keeps the multipliers
 * free: they are what this is bound by. So sums come out {@code 2^31} times as large, bit for bit
 * where nothing is denormal.
 */
final class AssembledTrellis {
  // Parameters.
  /** Address of the panel's first block. */
  static final int CODES = 0;

  /** Runs of {@link #RUN_BLOCKS} blocks that are whole. */
  static final int RUNS = 8;

  /** Blocks behind them. */
  static final int LAST_BLOCKS = 16;

  /** Address of the activations, zero behind the last column. */
  static final int X = 24;

  /** An int: the bits of a state. */
  static final int STATE_MASK = 32;

  /** Blocks whose sums are added before they are added to those of others. */
  static final int RUN_BLOCKS = TrellisFields.COLUMNS / TrellisPanel.COLUMNS_PER_BLOCK;

  /** What sums are too large by. */
  static final float SCALE = TrellisCode.HASH_UNIT;

  private static final int UNIT_BYTES = 64;
  private static final int WORD_BITS = 32;
  private static final int ROWS = TrellisPanel.ROWS_PER_LANE;
  private static final int PREFETCH_BYTES = 1024;

  /** The exponent of 2^62, in its place of a float. */
  private static final int EXPONENT_62 = 62 << 23;

  private final Assembler a = new Assembler();
  private final Encoding encoding;
  private final int bits;
  private final int fieldBits;

  // Totals 0 to 3, sums 4 to 7; words 16 and up, those of the neighbours 21 and up.
  private final Zmm mask = new Zmm(8);
  private final Zmm multiplier = new Zmm(9);
  private final Zmm exponent = new Zmm(10);
  private final Zmm zero = new Zmm(31);
  private final Zmm field = new Zmm(11);
  private final Zmm elder = new Zmm(12);
  private final Label multiplierBits = new Label();
  private final Label exponentBits = new Label();

  private AssembledTrellis(Encoding encoding) {
    this.encoding = encoding;
    bits = encoding.codeBits();
    fieldBits = ROWS * bits;
  }

  /** Whether there is code: a state of {@code t1} reaches farther than one neighbour. */
  static boolean covers(Encoding encoding) {
    return encoding.isTrellis() && encoding != Encoding.T1;
  }

  /** Code that adds to four vectors of the array, those of every fourth row. */
  static MachineCode of(Encoding encoding) {
    return MachineCode.of(new AssembledTrellis(encoding).assemble());
  }

  private static Zmm total(int row) {
    return new Zmm(row);
  }

  private static Zmm sum(int row) {
    return new Zmm(4 + row);
  }

  private static Zmm word(int unit) {
    return new Zmm(16 + unit);
  }

  private static Zmm elderWord(int unit) {
    return new Zmm(21 + unit);
  }

  private Assembler assemble() {
    a.mov(RAX, Address.of(RDI, CODES));
    a.mov(R9, Address.of(RDI, X));
    a.mov(RDX, Address.of(RDI, RUNS));
    a.vpbroadcastd(mask, Address.of(RDI, STATE_MASK));
    a.vpbroadcastd(multiplier, Address.of(multiplierBits));
    a.vpbroadcastd(exponent, Address.of(exponentBits));
    a.vpxord(zero, zero, zero);
    for (int row = 0; row < ROWS; row++) {
      a.vpxord(total(row), total(row), total(row));
    }
    // A count of zero is below one: the loops test before they begin.
    Label runs = new Label();
    Label last = new Label();
    Label end = new Label();
    a.mov(R10, 1L);
    a.bind(runs);
    a.cmp(RDX, R10);
    a.jb(last);
    a.mov(RCX, (long) RUN_BLOCKS);
    addRun();
    a.dec(RDX);
    a.cmp(RDX, R10);
    a.jae(runs);
    a.bind(last);
    a.mov(RCX, Address.of(RDI, LAST_BLOCKS));
    a.cmp(RCX, R10);
    a.jb(end);
    addRun();
    a.bind(end);
    for (int row = 0; row < ROWS; row++) {
      a.vmovups(Address.of(RSI, row * UNIT_BYTES), total(row));
    }
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    a.bind(multiplierBits);
    a.words(TrellisCode.multiplier(encoding));
    a.bind(exponentBits);
    a.words(EXPONENT_62);
    return a;
  }

  /** Adds as many blocks as RCX says. */
  private void addRun() {
    for (int row = 0; row < ROWS; row++) {
      a.vpxord(sum(row), sum(row), sum(row));
    }
    Label block = new Label();
    a.bind(block);
    for (int unit = 0; unit < bits; unit++) {
      a.prefetcht0(Address.of(RAX, PREFETCH_BYTES + unit * UNIT_BYTES));
      a.vmovdqu32(word(unit), Address.of(RAX, unit * UNIT_BYTES));
      a.valignd(elderWord(unit), word(unit), word(unit), TrellisPanel.LANES - 1);
    }
    for (int column = 0; column < TrellisPanel.COLUMNS_PER_BLOCK; column++) {
      joinFields(column * fieldBits);
      addProducts(Address.of(R9, column * Float.BYTES).toEveryLane());
    }
    a.add(RAX, encoding.blockBytes());
    a.add(R9, TrellisPanel.COLUMNS_PER_BLOCK * Float.BYTES);
    a.dec(RCX);
    a.jnz(block);
    for (int row = 0; row < ROWS; row++) {
      a.vaddps(total(row), total(row), sum(row));
    }
  }

  /** Brings a lane's field, and above it as much of its elder neighbour's as a state needs. */
  private void joinFields(int firstBit) {
    int unit = firstBit / WORD_BITS;
    int start = firstBit % WORD_BITS;
    int end = start + fieldBits;
    // The lane's own field, at the top of a word.
    Zmm own = field;
    if (end == WORD_BITS) {
      own = word(unit);
    } else if (end < WORD_BITS) {
      a.vpslld(field, word(unit), WORD_BITS - end);
    } else {
      a.vpshrdd(field, word(unit), word(unit + 1), end - WORD_BITS);
    }
    // The neighbour's, at the bottom; what is above it, the state's mask takes off.
    int needed = TrellisCode.maxStateBits(encoding) - bits;
    Zmm neighbour = elder;
    if (start == 0) {
      neighbour = elderWord(unit);
    } else if (start + needed <= WORD_BITS) {
      a.vpsrld(elder, elderWord(unit), start);
    } else {
      a.vpshrdd(elder, elderWord(unit), elderWord(unit + 1), start);
    }
    a.vpshldd(field, neighbour, own, fieldBits);
  }

  /** Step by step for all four rows, so that none waits for another. */
  private void addProducts(Address x) {
    for (int row = 0; row < ROWS; row++) {
      int shift = bits * (ROWS - 1 - row);
      if (shift > 0) {
        a.vpsrld(value(row), field, shift);
      }
      a.vpandd(value(row), shift > 0 ? value(row) : field, mask);
    }
    for (int row = 0; row < ROWS; row++) {
      a.vpmulld(value(row), value(row), multiplier);
    }
    for (int row = 0; row < ROWS; row++) {
      a.vcvtdq2ps(value(row), value(row));
    }
    for (int row = 0; row < ROWS; row++) {
      a.vmulps(power(row), value(row), value(row));
    }
    for (int row = 0; row < ROWS; row++) {
      a.vpsubd(power(row), power(row), exponent);
    }
    // Of zero, whose exponent is none, the subtraction has made a negative number.
    for (int row = 0; row < ROWS; row++) {
      a.vmaxps(power(row), power(row), zero);
    }
    for (int row = 0; row < ROWS; row++) {
      a.vmulps(power(row), power(row), power(row));
    }
    for (int row = 0; row < ROWS; row++) {
      a.vmulps(power(row), power(row), power(row));
    }
    for (int row = 0; row < ROWS; row++) {
      a.vfmadd213ps(power(row), value(row), value(row));
    }
    for (int row = 0; row < ROWS; row++) {
      a.vfmadd231ps(sum(row), power(row), x);
    }
  }

  private static Zmm value(int row) {
    return new Zmm(26 + row);
  }

  private static Zmm power(int row) {
    return new Zmm(row < 3 ? 13 + row : 30);
  }
}
