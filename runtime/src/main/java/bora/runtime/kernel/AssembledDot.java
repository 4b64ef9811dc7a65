package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R11;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Gpr;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.Zmm;
import java.util.Arrays;

/**
 * Assembles the product of a matrix and one token, as {@link ActivationDigits} defines it: panels
 * of a few streams side by side, each stream a part of the rows, so that several lines of memory
 * are on their way.
 */
final class AssembledDot {
  // Parameters.
  /** Address of the first stream's first panel. */
  static final int PANEL = 0;

  /** Where that stream ends. */
  static final int PANEL_END = 8;

  static final int PANEL_BYTES = 16;

  /** Bytes from a stream to the next. */
  static final int STREAM_BYTES = 24;

  /** Of the codes in a panel. */
  static final int CODES_OFFSET = 32;

  static final int BLOCKS = 40;

  /** Address of the activations' records. */
  static final int RECORDS = 48;

  /** Where in the array the first stream's first row is, in bytes. */
  static final int Y_OFFSET = 56;

  /** Bytes from a stream to the next in the array. */
  static final int Y_STREAM_BYTES = 64;

  /** The rows of a panel that exist, a bit each. */
  static final int ROW_MASK = 72;

  static final int Y_PANEL_BYTES = ScalarGrid.LANES * Float.BYTES;

  /**
   * Sums of a digit, to which vectors are added in turn: a core begins two products in a cycle, and
   * each waits for the sum that it is added to.
   */
  private static final int TURNS = 2;

  /**
   * How far ahead lines of each stream are asked for: what a core reads while memory answers, and
   * more where there are fewer streams.
   */
  private final int prefetchBytes;

  private final Assembler a = new Assembler();
  private final Encoding encoding;
  private final ActivationDigits digits;
  private final int streams;

  /** Streams whose codes are unpacked in step, so that a digit is read once for both. */
  private final int inStep;

  private final CodeUnpacker unpacker;
  private final AssembledScales scales = new AssembledScales();

  // Registers of stream s: of totals s, of row scales 4 + s; the unpacker's from 16 on. Where there
  // are two streams, what the others would have holds dots too.
  private static final int[] DOTS = {8, 9, 10, 11, 12, 13, 14, 15, 2, 3, 6, 7};
  private final Zmm step;
  private final Zmm x;

  /** Four digits in every lane; behind a block's products free for other things. */
  private final Zmm four = new Zmm(31);

  private AssembledDot(Encoding encoding, ActivationDigits digits, int streams) {
    this.encoding = encoding;
    this.digits = digits;
    this.streams = streams;
    prefetchBytes = digits == ActivationDigits.ONE ? 2048 : 8192;
    inStep = Math.min(2, streams);
    unpacker = new CodeUnpacker(encoding, 16, inStep);
    step = unpacker.idle(0);
    x = unpacker.idle(1);
  }

  /** The most streams that registers suffice for. */
  static int maxStreams(ActivationDigits digits) {
    return digits == ActivationDigits.ONE ? 4 : 2;
  }

  static MachineCode of(Encoding encoding, ActivationDigits digits, int streams) {
    return MachineCode.of(new AssembledDot(encoding, digits, streams).assemble());
  }

  private static Zmm rowScales(int stream) {
    return new Zmm(4 + stream);
  }

  private Zmm dot(int stream, int digit, int turn) {
    return new Zmm(DOTS[(turn * streams + stream) * digits.count() + digit]);
  }

  /** An address of the same place in another stream. */
  static Address inStream(int stream, Gpr base, int offset) {
    return switch (stream) {
      case 0 -> Address.of(base, offset);
      case 1 -> Address.of(base, RCX, 1, offset);
      case 2 -> Address.of(base, RCX, 2, offset);
      case 3 -> Address.of(base, RDX, 1, offset);
      default -> throw new AssertionError(stream);
    };
  }

  private Assembler assemble() {
    scales.prepare(a);
    unpacker.prepare(a);
    PanelStreams.assemble(a, streams, prefetchBytes, this::addPanel);
    scales.putConstants(a);
    unpacker.putConstants(a);
    return a;
  }

  private void addPanel() {
    for (int s = 0; s < streams; s++) {
      AssembledScales.loadRowScales(a, rowScales(s), inStream(s, R11, 0));
      a.vpxord(PanelStreams.total(s), PanelStreams.total(s), PanelStreams.total(s));
    }
    prefetchJumpedOver();
    a.mov(RAX, R11);
    a.add(RAX, Address.of(RDI, CODES_OFFSET));
    a.mov(R8, R11);
    a.mov(R9, Address.of(RDI, RECORDS));
    a.mov(R10, Address.of(RDI, BLOCKS));
    Label block = new Label();
    a.bind(block);
    addBlock();
    a.add(RAX, encoding.blockBytes());
    a.add(R8, Long.BYTES);
    a.add(R9, digits.recordBytes());
    a.dec(R10);
    a.jnz(block);
  }

  /**
   * Asks for what {@link #addBlock} does not: from a panel's last codes to the next one's first,
   * which have scales in between, what it asks for jumps as they do.
   */
  private void prefetchJumpedOver() {
    a.mov(R10, R11);
    a.add(R10, Address.of(RDI, CODES_OFFSET));
    PanelStreams.forEachLine(a, streams, prefetchBytes, a::prefetcht0);
  }

  private void addBlock() {
    for (int s = 0; s < streams; s++) {
      for (int digit = 0; digit < digits.count(); digit++) {
        a.vpbroadcastd(dot(s, digit, 0), Address.of(R9, digits.startOffset(digit)));
        for (int turn = 1; turn < TURNS; turn++) {
          a.vpxord(dot(s, digit, turn), dot(s, digit, turn), dot(s, digit, turn));
        }
      }
    }
    int lines = ScalarCodes.unitCount(encoding) / unpacker.groups();
    for (int group = 0; group < unpacker.groups(); group++) {
      for (int s = 0; s < streams; s++) {
        for (int line = 0; line < lines; line++) {
          int offset = (lines * group + line) * ScalarCodes.UNIT_BYTES;
          a.prefetcht0(inStream(s, RAX, prefetchBytes + offset));
        }
      }
      for (int s = 0; s < streams; s += inStep) {
        int first = s;
        unpacker.unpack(
            a,
            group,
            (panel, unit) -> inStream(first + panel, RAX, unit * ScalarCodes.UNIT_BYTES),
            (index, codes) -> addProducts(first, index, codes));
      }
    }
    joinTurns();
    a.vpbroadcastd(x, Address.of(R9, digits.stepOffset()));
    for (int s = 0; s < streams; s++) {
      int indices = (int) ScalarGrid.subScalesOffsetBytes(0);
      scales.step(
          a,
          step,
          rowScales(s),
          inStream(s, R8, indices),
          inStream(s, R8, indices + Integer.BYTES));
      a.vfmadd231ps(PanelStreams.total(s), step, product(s));
    }
  }

  private void joinTurns() {
    for (int turn = 1; turn < TURNS; turn++) {
      for (int s = 0; s < streams; s++) {
        for (int digit = 0; digit < digits.count(); digit++) {
          a.vpaddd(dot(s, digit, 0), dot(s, digit, 0), dot(s, digit, turn));
        }
      }
    }
  }

  private void addProducts(int firstStream, int vector, Zmm[] codes) {
    for (int digit = 0; digit < digits.count(); digit++) {
      a.vpbroadcastd(four, Address.of(R9, digits.planeOffset(digit) + Integer.BYTES * vector));
      for (int s = 0; s < inStep; s++) {
        a.vpdpbusd(dot(firstStream + s, digit, vector % TURNS), codes[s], four);
      }
    }
  }

  /** A block's product of a stream, from the dots and, in {@link #x}, the activations' step. */
  private Zmm product(int stream) {
    Zmm[] dots = new Zmm[digits.count()];
    Arrays.setAll(dots, digit -> dot(stream, digit, 0));
    return product(a, digits, R9, dots, x, four);
  }

  /**
   * Assembles what a block's product is made of.
   *
   * @param record where the activations' record is
   * @param dots of each digit; the first becomes the product
   * @param x holds the step, {@code y} is overwritten
   */
  static Zmm product(Assembler a, ActivationDigits digits, Gpr record, Zmm[] dots, Zmm x, Zmm y) {
    Address half = Address.of(record, digits.halfOffset()).toEveryLane();
    Zmm product = dots[0];
    switch (digits) {
      case ONE -> {
        a.vcvtdq2ps(product, product);
        a.vfmadd213ps(product, x, half);
      }
      case THREE -> {
        Zmm upper = dots[2];
        a.vcvtdq2ps(upper, upper);
        a.vpslld(dots[1], dots[1], Byte.SIZE);
        a.vpaddd(product, product, dots[1]);
        a.vcvtdq2ps(product, product);
        a.vpbroadcastd(y, Address.of(record, digits.upperStepOffset()));
        a.vfmadd213ps(upper, y, half);
        a.vfmadd213ps(product, x, upper);
      }
    }
    return product;
  }
}
