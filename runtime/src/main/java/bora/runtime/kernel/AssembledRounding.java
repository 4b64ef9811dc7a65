package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;
import static bora.runtime.machine.Gpr.RSI;

import bora.formats.encoding.ScalarGrid;
import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Assembler.Comparison;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;

/** Assembles the making of the records that {@link ActivationDigits} defines, of one token. */
final class AssembledRounding {
  // Parameters.
  /** Where in the array whole blocks of activations are, in bytes. */
  static final int X_OFFSET = 0;

  /** Address of the records. */
  static final int RECORDS = 8;

  static final int BLOCKS = 16;

  /** Address of {@link #places}. */
  static final int ORDER = 24;

  /** An int: {@code -2^(b-1)}. */
  static final int MINUS_MIDDLE = 32;

  private static final int VECTORS = 4;
  private static final int VECTOR_BYTES = 64;

  private static final int MAGNITUDE_BITS = 0x7FFFFFFF;
  private static final int INFINITY_BITS = 0x7F800000;
  private static final int SIGNS_OF_LOWER_DIGITS = 0x00008080;
  private static final int SIGNS_OF_BYTES = 0x80808080;

  private final Assembler a = new Assembler();
  private final ActivationDigits digits;

  private final Zmm[] x = {new Zmm(0), new Zmm(1), new Zmm(2), new Zmm(3)};
  private final Zmm magnitude = new Zmm(4);
  private final Zmm step = new Zmm(5);
  private final Zmm inverse = new Zmm(6);
  private final Zmm temporary = new Zmm(7);
  private final Zmm other = new Zmm(8);
  private final Zmm[] sums = {new Zmm(9), new Zmm(10), new Zmm(11)};
  private final Zmm order = new Zmm(16);
  private final Zmm half = new Zmm(18);
  private final Zmm[] planes = {new Zmm(20), new Zmm(21), new Zmm(22)};

  private final Label magnitudeBits = new Label();
  private final Label infinity = new Label();
  private final Label largest = new Label();
  private final Label minMagnitude = new Label();
  private final Label nan = new Label();
  private final Label signs = new Label();
  private final Label byteSigns = new Label();
  private final Label bytesByDigit = new Label();
  private final Label ones = new Label();
  private final Label onehalf = new Label();
  private final Label upper = new Label();

  private AssembledRounding(ActivationDigits digits) {
    this.digits = digits;
  }

  static MachineCode of(ActivationDigits digits) {
    return MachineCode.of(new AssembledRounding(digits).assemble());
  }

  /**
   * Where, among the bytes that {@link #takeDigits} makes of a block's columns, those of an
   * {@linkplain CodeOrder order} are.
   */
  static byte[] places(byte[] order) {
    byte[] places = new byte[order.length];
    for (int i = 0; i < places.length; i++) {
      int vector = order[i] / ScalarGrid.LANES;
      int lane = order[i] % ScalarGrid.LANES;
      places[i] = (byte) (lane / 4 * ScalarGrid.LANES + vector * 4 + lane % 4);
    }
    return places;
  }

  private Assembler assemble() {
    a.mov(R8, RSI);
    a.add(R8, Address.of(RDI, X_OFFSET));
    a.mov(RDX, Address.of(RDI, RECORDS));
    a.mov(RCX, Address.of(RDI, BLOCKS));
    a.mov(RAX, Address.of(RDI, ORDER));
    a.vmovdqu32(order, Address.of(RAX, 0));
    a.mov(RAX, 1L);
    a.kmovw(MaskRegister.K1, RAX);
    Label block = new Label();
    a.bind(block);
    findMagnitude();
    findSteps();
    takeDigits();
    for (int digit = 0; digit < digits.count(); digit++) {
      storePlane(digit);
    }
    findHalf();
    storeWords();
    a.add(R8, VECTORS * VECTOR_BYTES);
    a.add(RDX, digits.recordBytes());
    a.dec(RCX);
    a.jnz(block);
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
    putConstants();
    return a;
  }

  /** The largest magnitude, in every lane; compared as integers, so that NaN is the largest. */
  private void findMagnitude() {
    for (int i = 0; i < VECTORS; i++) {
      a.vmovups(x[i], Address.of(R8, i * VECTOR_BYTES));
      a.vpandd(i == 0 ? magnitude : temporary, x[i], Address.of(magnitudeBits).toEveryLane());
      if (i > 0) {
        a.vpmaxud(magnitude, magnitude, temporary);
      }
    }
    overLanes(magnitude, a::vpmaxud);
  }

  private interface Combination {
    void assemble(Zmm to, Zmm a, Zmm b);
  }

  /** Combines all lanes, in every lane. */
  private void overLanes(Zmm vector, Combination combination) {
    for (int distance = 8; distance > 0; distance /= 2) {
      a.valignd(other, vector, vector, distance);
      combination.assemble(vector, vector, other);
    }
  }

  private void findSteps() {
    a.vpbroadcastd(temporary, Address.of(largest));
    a.vdivps(inverse, temporary, magnitude);
    a.vdivps(step, magnitude, temporary);
    a.vpbroadcastd(temporary, Address.of(minMagnitude));
    a.vpcmpud(MaskRegister.K2, magnitude, temporary, Comparison.GREATER_OR_EQUAL);
    a.vmovdqa32(inverse, MaskRegister.K2, inverse);
    a.vmovdqa32(step, MaskRegister.K2, step);
    a.vpbroadcastd(temporary, Address.of(infinity));
    a.vpcmpud(MaskRegister.K2, magnitude, temporary, Comparison.GREATER_OR_EQUAL);
    a.vpbroadcastd(step, MaskRegister.K2, Address.of(nan));
  }

  /**
   * Rounds to numbers, and takes these apart: a digit's plane has, of each 128 bits, four digits of
   * each vector in turn.
   */
  private void takeDigits() {
    boolean several = digits.count() > 1;
    a.vmovdqu32(temporary, Address.of(bytesByDigit));
    for (Zmm number : x) {
      a.vmulps(number, number, inverse);
      a.vcvtps2dq(number, number);
      if (several) {
        // A byte of 128 and more is a negative digit, and carries one to the next.
        a.vpaddd(number, number, Address.of(signs).toEveryLane());
      }
      a.vpshufb(number, number, temporary);
    }
    a.vpunpckldq(planes[0], x[0], x[1]);
    a.vpunpckldq(planes[1], x[2], x[3]);
    if (several) {
      a.vpunpckhdq(planes[2], x[0], x[1]);
      a.vpunpckhdq(temporary, x[2], x[3]);
      a.vpunpcklqdq(planes[2], planes[2], temporary);
      a.vpunpckhqdq(temporary, planes[0], planes[1]);
    }
    a.vpunpcklqdq(planes[0], planes[0], planes[1]);
    if (several) {
      a.vpxord(planes[0], planes[0], Address.of(byteSigns).toEveryLane());
      a.vpxord(planes[1], temporary, Address.of(byteSigns).toEveryLane());
    }
  }

  /** Half a step times the sum of all numbers. */
  private void findHalf() {
    switch (digits) {
      case ONE -> a.vcvtdq2ps(half, sums[0]);
      case THREE -> {
        a.vpslld(half, sums[1], Byte.SIZE);
        a.vpaddd(half, half, sums[0]);
        a.vcvtdq2ps(half, half);
        a.vcvtdq2ps(temporary, sums[2]);
        a.vfmadd231ps(half, temporary, Address.of(upper).toEveryLane());
      }
    }
    a.vmulps(temporary, step, Address.of(onehalf).toEveryLane());
    a.vmulps(half, half, temporary);
  }

  /** Stores a digit of the numbers in the weights' order, and sums it in every lane. */
  private void storePlane(int digit) {
    a.vpermb(temporary, order, planes[digit]);
    a.vmovdqu32(Address.of(RDX, digits.planeOffset(digit)), temporary);
    a.vpbroadcastd(other, Address.of(ones));
    a.vpxord(sums[digit], sums[digit], sums[digit]);
    a.vpdpbusd(sums[digit], other, temporary);
    overLanes(sums[digit], a::vpaddd);
  }

  private void storeWords() {
    for (int digit = 0; digit < digits.count(); digit++) {
      a.vpmulld(temporary, sums[digit], Address.of(RDI, MINUS_MIDDLE).toEveryLane());
      store(digits.startOffset(digit), temporary);
    }
    store(digits.stepOffset(), step);
    if (digits == ActivationDigits.THREE) {
      a.vmulps(temporary, step, Address.of(upper).toEveryLane());
      store(digits.upperStepOffset(), temporary);
    }
    store(digits.halfOffset(), half);
  }

  /** Stores the first lane. */
  private void store(int offset, Zmm value) {
    a.vmovups(Address.of(RDX, offset), MaskRegister.K1, value);
  }

  private void putConstants() {
    put(magnitudeBits, MAGNITUDE_BITS);
    put(infinity, INFINITY_BITS);
    put(largest, Float.floatToRawIntBits(digits.largest()));
    put(minMagnitude, Float.floatToRawIntBits(ActivationRounding.MIN_MAGNITUDE));
    put(nan, Float.floatToRawIntBits(Float.NaN));
    put(signs, SIGNS_OF_LOWER_DIGITS);
    put(byteSigns, SIGNS_OF_BYTES);
    put(ones, 0x01010101);
    put(onehalf, Float.floatToRawIntBits(0.5f));
    put(upper, Float.floatToRawIntBits(0x1p16f));
    a.align(VECTOR_BYTES);
    a.bind(bytesByDigit);
    for (int lane = 0; lane < ScalarGrid.LANES; lane++) {
      a.words(0x0C080400 + 0x01010101 * (lane % 4));
    }
  }

  private void put(Label label, int word) {
    a.bind(label);
    a.words(word);
  }
}
