package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RSI;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisPanel;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;
import java.util.Arrays;

/**
 * Assembles the product of a panel of a trellis encoding and one token, as {@link ActivationDigits}
 * defines it for a matrix whose codes are the levels and whose steps are the rows' scales.
 */
final class AssembledTrellis {
  // Parameters.
  /** Address of the panel. */
  static final int PANEL = 0;

  /** Blocks of activations that are whole. */
  static final int BLOCKS = 8;

  /** Groups of {@link TrellisLevels#COLUMNS} columns behind them. */
  static final int LAST_GROUPS = 16;

  /** Address of the activations' records. */
  static final int RECORDS = 24;

  /** Where in the array the first row is, in bytes. */
  static final int Y_OFFSET = 32;

  /** The rows that exist of each vector, a bit each. */
  static final int ROW_MASKS = 40;

  private static final int VECTORS = TrellisLevels.VECTORS;
  private static final int VECTOR_BYTES = 64;
  private static final int GROUPS = ActivationDigits.BLOCK_COLUMNS / TrellisLevels.COLUMNS;
  private static final MaskRegister ROWS = MaskRegister.K2;

  /** How far ahead lines are asked for: what a core reads while memory answers. */
  private static final int PREFETCH_BYTES = 2048;

  private final Assembler a = new Assembler();
  private final Encoding encoding;
  private final ActivationDigits digits;
  private final TrellisLevels levels;

  // Dots of vector v: 3v + digit or v.
  private final Zmm scales = new Zmm(TrellisLevels.FIRST_TEMPORARY);
  private final Zmm x = new Zmm(TrellisLevels.FIRST_TEMPORARY + 1);
  private final Zmm y = new Zmm(TrellisLevels.FIRST_TEMPORARY + 2);

  private AssembledTrellis(Encoding encoding, ActivationDigits digits) {
    this.encoding = encoding;
    this.digits = digits;
    levels = new TrellisLevels(encoding);
  }

  static MachineCode of(Encoding encoding, ActivationDigits digits) {
    return MachineCode.of(new AssembledTrellis(encoding, digits).assemble());
  }

  private Zmm dot(int vector, int digit) {
    return new Zmm(digits.count() * vector + digit);
  }

  private static Zmm total(int vector) {
    return new Zmm(16 + vector);
  }

  private Assembler assemble() {
    a.add(RSI, Address.of(RDI, Y_OFFSET));
    levels.prepare(a);
    for (int v = 0; v < VECTORS; v++) {
      a.vpxord(total(v), total(v), total(v));
    }
    a.mov(R11, Address.of(RDI, PANEL));
    a.lea(RAX, Address.of(R11, (int) TrellisPanel.columnOffsetBytes(encoding, 0)));
    a.mov(R9, Address.of(RDI, RECORDS));
    a.mov(R8, Address.of(RDI, BLOCKS));
    // A count of zero is below one: the loop tests before it begins.
    Label blocks = new Label();
    Label last = new Label();
    Label end = new Label();
    a.mov(R10, 1L);
    a.cmp(R8, R10);
    a.jb(last);
    a.bind(blocks);
    a.mov(RCX, (long) GROUPS);
    addBlock();
    a.dec(R8);
    a.jnz(blocks);
    a.bind(last);
    a.mov(RCX, Address.of(RDI, LAST_GROUPS));
    a.mov(R10, 1L);
    a.cmp(RCX, R10);
    a.jb(end);
    addBlock();
    a.bind(end);
    for (int v = 0; v < VECTORS; v++) {
      a.mov(RAX, Address.of(RDI, ROW_MASKS + Long.BYTES * v));
      a.kmovw(ROWS, RAX);
      a.vmovups(Address.of(RSI, v * VECTOR_BYTES), ROWS, total(v));
    }
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    levels.putConstants(a);
    return a;
  }

  /** Adds a block of as many groups as RCX says. */
  private void addBlock() {
    for (int v = 0; v < VECTORS; v++) {
      for (int digit = 0; digit < digits.count(); digit++) {
        a.vpbroadcastd(dot(v, digit), Address.of(R9, digits.startOffset(digit)));
      }
    }
    a.mov(R10, R9);
    Label group = new Label();
    a.bind(group);
    for (int line = 0; line < levels.groupBytes(); line += VECTOR_BYTES) {
      a.prefetcht0(Address.of(RAX, PREFETCH_BYTES + line));
    }
    levels.decode(a, RAX, this::addProducts);
    a.add(RAX, levels.groupBytes());
    a.add(R10, TrellisLevels.COLUMNS);
    a.dec(RCX);
    a.jnz(group);
    a.vpbroadcastd(x, Address.of(R9, digits.stepOffset()));
    for (int v = 0; v < VECTORS; v++) {
      Zmm product = product(v);
      AssembledScales.loadRowScales(
          a, scales, Address.of(R11, (int) TrellisPanel.rowScaleOffsetBytes(ScalarGrid.LANES * v)));
      a.vfmadd231ps(total(v), scales, product);
    }
    a.add(R9, digits.recordBytes());
  }

  private void addProducts(int vector, Zmm codes) {
    for (int digit = 0; digit < digits.count(); digit++) {
      Address four = Address.of(R10, digits.planeOffset(digit));
      a.vpdpbusd(dot(vector, digit), codes, four.toEveryLane());
    }
  }

  /** A block's product, from the dots and, in {@link #x}, the activations' step. */
  private Zmm product(int vector) {
    Zmm[] dots = new Zmm[digits.count()];
    Arrays.setAll(dots, digit -> dot(vector, digit));
    return AssembledDot.product(a, digits, R9, dots, x, y);
  }
}
