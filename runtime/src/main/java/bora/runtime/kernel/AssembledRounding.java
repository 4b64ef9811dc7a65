package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;

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
  /** Address of whole blocks of activations. */
  static final int X = 0;

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
  private static final int MANTISSA_BITS = 23;
  private static final int SIGNS_OF_LOWER_DIGITS = 0x00808080;

  private final Assembler a = new Assembler();
  private final ActivationDigits digits;

  private final Zmm[] x = {new Zmm(0), new Zmm(1), new Zmm(2), new Zmm(3)};
  private final Zmm magnitude = new Zmm(4);
  private final Zmm step = new Zmm(5);
  private final Zmm inverse = new Zmm(6);
  private final Zmm temporary = new Zmm(7);
  private final Zmm other = new Zmm(8);
  private final Zmm[] sums = {new Zmm(9), new Zmm(10), new Zmm(11), new Zmm(12)};
  private final Zmm order = new Zmm(16);
  private final Zmm half = new Zmm(18);
  private final Zmm byteMask = new Zmm(19);
  private final Zmm[] bytes = {new Zmm(20), new Zmm(21), new Zmm(22), new Zmm(23)};

  private final Label magnitudeBits = new Label();
  private final Label infinity = new Label();
  private final Label ones = new Label();
  private final Label onehalf = new Label();
  private final Label maxCode = new Label();
  private final Label minMagnitude = new Label();
  private final Label nan = new Label();
  private final Label minExponent = new Label();
  private final Label scaleExponent = new Label();
  private final Label stepExponent = new Label();
  private final Label signs = new Label();
  private final Label upper = new Label();
  private final Label lowestByte = new Label();

  private AssembledRounding(ActivationDigits digits) {
    this.digits = digits;
  }

  static MachineCode of(ActivationDigits digits) {
    return MachineCode.of(new AssembledRounding(digits).assemble());
  }

  /**
   * Where, among the bytes that packing has made of a block's columns, those of an {@linkplain
   * CodeOrder order} are: packing takes four lanes of each vector in turn.
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
    a.mov(R8, Address.of(RDI, X));
    a.mov(RDX, Address.of(RDI, RECORDS));
    a.mov(RCX, Address.of(RDI, BLOCKS));
    a.mov(RAX, Address.of(RDI, ORDER));
    a.vmovdqu32(order, Address.of(RAX, 0));
    a.vpbroadcastd(byteMask, Address.of(lowestByte));
    a.mov(RAX, 1L);
    a.kmovw(MaskRegister.K1, RAX);
    Label block = new Label();
    a.bind(block);
    findMagnitude();
    switch (digits) {
      case ONE -> roundToOneDigit();
      case FOUR -> roundToFourDigits();
    }
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

  private void roundToOneDigit() {
    a.vpbroadcastd(temporary, Address.of(maxCode));
    a.vdivps(inverse, temporary, magnitude);
    a.vdivps(step, magnitude, temporary);
    a.vpbroadcastd(temporary, Address.of(minMagnitude));
    a.vpcmpud(MaskRegister.K2, magnitude, temporary, Comparison.GREATER_OR_EQUAL);
    a.vmovdqa32(inverse, MaskRegister.K2, inverse);
    a.vmovdqa32(step, MaskRegister.K2, step);
    makeInfiniteStepsNan();
    for (int i = 0; i < VECTORS; i++) {
      a.vmulps(x[i], x[i], inverse);
      a.vcvtps2dq(x[i], x[i]);
    }
    storePlane(0);
    a.vcvtdq2ps(half, sums[0]);
    a.vmulps(temporary, step, Address.of(onehalf).toEveryLane());
    a.vmulps(half, half, temporary);
  }

  private void roundToFourDigits() {
    a.vpandd(magnitude, magnitude, Address.of(infinity).toEveryLane());
    a.vpmaxud(temporary, magnitude, Address.of(minExponent).toEveryLane());
    a.vpbroadcastd(inverse, Address.of(scaleExponent));
    a.vpsubd(inverse, inverse, temporary);
    a.vpsubd(step, temporary, Address.of(stepExponent).toEveryLane());
    makeInfiniteStepsNan();
    for (int i = 0; i < VECTORS; i++) {
      a.vmulps(x[i], x[i], inverse);
      a.vcvtps2dq(x[i], x[i]);
      // A byte of 128 and more is a negative digit, and carries one to the next.
      a.vpaddd(x[i], x[i], Address.of(signs).toEveryLane());
      a.vpxord(x[i], x[i], Address.of(signs).toEveryLane());
    }
    for (int digit = 0; digit < digits.count(); digit++) {
      storePlane(digit);
      for (int i = 0; i < VECTORS && digit + 1 < digits.count(); i++) {
        a.vpsrld(x[i], x[i], Byte.SIZE);
      }
    }
    sumOfNumbers(temporary, 2);
    sumOfNumbers(half, 0);
    a.vfmadd231ps(half, temporary, Address.of(upper).toEveryLane());
    a.vmulps(temporary, step, Address.of(onehalf).toEveryLane());
    a.vmulps(half, half, temporary);
  }

  /** The sum of two digits' sums, as a float. */
  private void sumOfNumbers(Zmm to, int digit) {
    a.vpslld(to, sums[digit + 1], Byte.SIZE);
    a.vpaddd(to, to, sums[digit]);
    a.vcvtdq2ps(to, to);
  }

  private void makeInfiniteStepsNan() {
    a.vpbroadcastd(temporary, Address.of(infinity));
    a.vpcmpud(MaskRegister.K2, magnitude, temporary, Comparison.GREATER_OR_EQUAL);
    a.vpbroadcastd(step, MaskRegister.K2, Address.of(nan));
  }

  /** Stores the lowest bytes of the numbers in the weights' order, and sums them in every lane. */
  private void storePlane(int digit) {
    for (int i = 0; i < VECTORS; i++) {
      a.vpandd(bytes[i], x[i], byteMask);
    }
    a.vpackusdw(bytes[0], bytes[0], bytes[1]);
    a.vpackusdw(bytes[2], bytes[2], bytes[3]);
    a.vpackuswb(bytes[0], bytes[0], bytes[2]);
    a.vpermb(temporary, order, bytes[0]);
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
    if (digits == ActivationDigits.FOUR) {
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
    put(lowestByte, 0xFF);
    put(magnitudeBits, MAGNITUDE_BITS);
    put(infinity, INFINITY_BITS);
    put(ones, 0x01010101);
    put(onehalf, Float.floatToRawIntBits(0.5f));
    put(maxCode, Float.floatToRawIntBits(ActivationRounding.MAX_CODE));
    put(minMagnitude, Float.floatToRawIntBits(ActivationRounding.MIN_MAGNITUDE));
    put(nan, Float.floatToRawIntBits(Float.NaN));
    put(minExponent, ActivationDigits.MIN_EXPONENT << MANTISSA_BITS);
    // The exponent fields of a number and of its reciprocal add up to twice the bias, 127.
    put(scaleExponent, (2 * 127 + ActivationDigits.NUMBER_BITS) << MANTISSA_BITS);
    put(stepExponent, ActivationDigits.NUMBER_BITS << MANTISSA_BITS);
    put(signs, SIGNS_OF_LOWER_DIGITS);
    put(upper, Float.floatToRawIntBits(0x1p16f));
  }

  private void put(Label label, int word) {
    a.bind(label);
    a.words(word);
  }
}
