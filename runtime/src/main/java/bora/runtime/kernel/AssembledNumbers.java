package bora.runtime.kernel;

import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Assembler.Comparison;
import bora.runtime.machine.Label;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;

/**
 * Assembles how floats become whole numbers, and these digits, as {@link ActivationDigits} defines
 * it.
 */
final class AssembledNumbers {
  /** How many vectors become one vector of bytes. */
  static final int VECTORS = 4;

  private static final int MAGNITUDE_BITS = 0x7FFFFFFF;
  private static final int INFINITY_BITS = 0x7F800000;
  private static final int SIGNS_OF_LOWER_DIGITS = 0x00008080;
  private static final MaskRegister MASK = MaskRegister.K2;

  private final ActivationDigits digits;

  private final Label magnitudeBits = new Label();
  private final Label infinity = new Label();
  private final Label largest = new Label();
  private final Label minMagnitude = new Label();
  private final Label nan = new Label();
  private final Label signs = new Label();
  private final Label byteSigns = new Label();
  private final Label bytesByDigit = new Label();

  AssembledNumbers(ActivationDigits digits) {
    this.digits = digits;
  }

  /** Magnitudes, lane by lane. */
  void magnitudes(Assembler a, Zmm to, Zmm from) {
    a.vpandd(to, from, Address.of(magnitudeBits).toEveryLane());
  }

  /** A combination of two vectors, lane by lane. */
  interface Combination {
    void assemble(Zmm to, Zmm a, Zmm b);
  }

  /** Combines all lanes, in every lane. */
  static void overLanes(Assembler a, Zmm vector, Zmm temporary, Combination combination) {
    for (int distance = 8; distance > 0; distance /= 2) {
      a.valignd(temporary, vector, vector, distance);
      combination.assemble(vector, vector, temporary);
    }
  }

  /**
   * Finds the step, and by what values are multiplied to become numbers; takes the mask register
   * K2.
   *
   * @param magnitude the largest, in every lane: compared as integers, so that NaN is the largest
   */
  void findSteps(Assembler a, Zmm magnitude, Zmm step, Zmm inverse, Zmm temporary) {
    a.vpbroadcastd(temporary, Address.of(largest));
    a.vdivps(inverse, temporary, magnitude);
    a.vdivps(step, magnitude, temporary);
    a.vpbroadcastd(temporary, Address.of(minMagnitude));
    a.vpcmpud(MASK, magnitude, temporary, Comparison.GREATER_OR_EQUAL);
    a.vmovdqa32(inverse, MASK, inverse);
    a.vmovdqa32(step, MASK, step);
    a.vpbroadcastd(temporary, Address.of(infinity));
    a.vpcmpud(MASK, magnitude, temporary, Comparison.GREATER_OR_EQUAL);
    a.vpbroadcastd(step, MASK, Address.of(nan));
  }

  /**
   * Takes {@link #VECTORS} vectors of numbers apart: a digit's vector has, of each 128 bits, four
   * of each vector's in turn.
   *
   * @param numbers floats, to be rounded to the nearest; overwritten
   * @param planes the first receive the digits, the lowest first; the others are overwritten
   */
  void takeDigits(Assembler a, Zmm[] numbers, Zmm[] planes) {
    boolean several = digits.count() > 1;
    a.vmovdqu32(planes[0], Address.of(bytesByDigit));
    for (Zmm number : numbers) {
      a.vcvtps2dq(number, number);
      if (several) {
        // A byte of 128 and more is a negative digit, and carries one to the next.
        a.vpaddd(number, number, Address.of(signs).toEveryLane());
      }
      a.vpshufb(number, number, planes[0]);
    }
    a.vpunpckldq(planes[0], numbers[0], numbers[1]);
    a.vpunpckldq(planes[1], numbers[2], numbers[3]);
    if (several) {
      a.vpunpckhdq(planes[2], numbers[0], numbers[1]);
      a.vpunpckhdq(planes[3], numbers[2], numbers[3]);
      a.vpunpcklqdq(planes[2], planes[2], planes[3]);
      a.vpunpckhqdq(planes[3], planes[0], planes[1]);
    }
    a.vpunpcklqdq(planes[0], planes[0], planes[1]);
    if (several) {
      a.vpxord(planes[0], planes[0], Address.of(byteSigns).toEveryLane());
      a.vpxord(planes[1], planes[3], Address.of(byteSigns).toEveryLane());
    }
  }

  /** Assembles the constants, to stand behind the code. */
  void putConstants(Assembler a) {
    put(a, magnitudeBits, MAGNITUDE_BITS);
    put(a, infinity, INFINITY_BITS);
    put(a, largest, Float.floatToRawIntBits(digits.largest()));
    put(a, minMagnitude, Float.floatToRawIntBits(ActivationRounding.MIN_MAGNITUDE));
    put(a, nan, Float.floatToRawIntBits(Float.NaN));
    put(a, signs, SIGNS_OF_LOWER_DIGITS);
    put(a, byteSigns, 0x80808080);
    a.align(64);
    a.bind(bytesByDigit);
    for (int word = 0; word < 16; word++) {
      a.words(0x0C080400 + 0x01010101 * (word % 4));
    }
  }

  private static void put(Assembler a, Label label, int word) {
    a.bind(label);
    a.words(word);
  }
}
