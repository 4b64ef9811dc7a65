package bora.runtime.kernel;

import static bora.runtime.machine.Gpr.R10;
import static bora.runtime.machine.Gpr.R8;
import static bora.runtime.machine.Gpr.R9;
import static bora.runtime.machine.Gpr.RAX;
import static bora.runtime.machine.Gpr.RCX;
import static bora.runtime.machine.Gpr.RDI;
import static bora.runtime.machine.Gpr.RDX;
import static bora.runtime.machine.Gpr.RSI;

import bora.runtime.machine.Address;
import bora.runtime.machine.Assembler;
import bora.runtime.machine.Gpr;
import bora.runtime.machine.Label;
import bora.runtime.machine.MachineCode;
import bora.runtime.machine.MaskRegister;
import bora.runtime.machine.Zmm;
import java.util.function.Consumer;

/**
 * Assembles the kernels on plain arrays, each operation as {@link ElementArithmetic} has it. Whole
 * vectors come first, then what is left under a mask.
 */
final class ElementCode {
  // Parameters, all of them in bytes but for the last.
  /** Where the elements are in the first array, and the others. */
  static final int A_OFFSET = 0;

  static final int B_OFFSET = 8;
  static final int C_OFFSET = 16;

  /** Length of the whole vectors, of which sums of neighbours are taken two by two. */
  static final int PAIRS_BYTES = 24;

  static final int WHOLE_BYTES = 32;
  static final int BYTES = 40;

  /** The elements behind the whole vectors, a bit each. */
  static final int REST_MASK = 48;

  /** A float. */
  static final int SCALAR = 56;

  /** A double: the length. */
  static final int LENGTH = 64;

  /** A double. */
  static final int EPSILON = 72;

  /** How many heads are turned. */
  static final int HEADS = 80;

  /** Receives a float. */
  static final int RESULT = 88;

  private static final int VECTOR_BYTES = 64;
  private static final int LANES = ElementArithmetic.SUMS;
  private static final MaskRegister REST = MaskRegister.K1;
  private static final MaskRegister FIRST = MaskRegister.K2;
  private static final MaskRegister NANS = MaskRegister.K3;

  private final Assembler a = new Assembler();

  // Registers of the exponential.
  private final Zmm rounded = new Zmm(1);
  private final Zmm n = new Zmm(2);
  private final Zmm r = new Zmm(3);
  private final Zmm power = new Zmm(4);
  private final Zmm bounded = new Zmm(5);

  private final Zmm sum = new Zmm(8);
  private final Zmm otherSum = new Zmm(9);
  private final Zmm temporary = new Zmm(10);
  private final Zmm factor = new Zmm(11);

  private int constants;

  private ElementCode() {}

  private static MachineCode function(Consumer<ElementCode> body) {
    ElementCode code = new ElementCode();
    body.accept(code);
    return MachineCode.of(code.a);
  }

  /** {@code b += scalar * a}. */
  static MachineCode addScaled() {
    return function(ElementCode::assembleAddScaled);
  }

  /** {@code c = norm(a) * b}. */
  static MachineCode rmsNorm() {
    return function(ElementCode::assembleRmsNorm);
  }

  /** {@code c = silu(a) * b}. */
  static MachineCode swiGlu() {
    return function(ElementCode::assembleSwiGlu);
  }

  /** {@code result = max(a)}. */
  static MachineCode max() {
    return function(ElementCode::assembleMax);
  }

  /** {@code a = exp(a - scalar)}, {@code result} their sum. */
  static MachineCode exponentials() {
    return function(ElementCode::assembleExponentials);
  }

  /** Turns the heads of {@code a} by {@code b} and {@code c}, halves being {@link #BYTES} long. */
  static MachineCode rotate() {
    return function(ElementCode::assembleRotate);
  }

  private void assembleAddScaled() {
    addOffset(RSI, A_OFFSET);
    addOffset(RDX, B_OFFSET);
    a.vpbroadcastd(factor, Address.of(RDI, SCALAR));
    prepareRest();
    forEachVector(
        mask -> {
          load(sum, mask, RDX);
          load(temporary, mask, RSI);
          a.vfmadd231ps(sum, temporary, factor);
          store(RDX, mask, sum);
        });
    end();
  }

  private void assembleRmsNorm() {
    addOffset(RSI, A_OFFSET);
    addOffset(RDX, B_OFFSET);
    addOffset(RCX, C_OFFSET);
    sumSquares();
    // 1 / sqrt(squares / length + epsilon), in doubles.
    a.vcvtps2pd(factor, sum);
    a.vbroadcastsd(temporary, Address.of(RDI, LENGTH));
    a.vdivpd(factor, factor, temporary);
    a.vbroadcastsd(temporary, Address.of(RDI, EPSILON));
    a.vaddpd(factor, factor, temporary);
    a.vsqrtpd(factor, factor);
    Label one = new Label();
    a.vbroadcastsd(temporary, Address.of(one));
    a.vdivpd(factor, temporary, factor);
    a.vcvtpd2ps(factor, factor);
    a.vpbroadcastd(factor, factor);
    prepareRest();
    forEachVector(
        mask -> {
          load(sum, mask, RSI);
          load(temporary, mask, RDX);
          a.vmulps(sum, sum, factor);
          a.vmulps(sum, sum, temporary);
          store(RCX, mask, sum);
        });
    end();
    a.bind(one);
    long bits = Double.doubleToRawLongBits(1);
    a.words((int) bits, (int) (bits >>> 32));
  }

  /** The sum of the squares of the first array, in every lane of {@link #sum}. */
  private void sumSquares() {
    clear(sum);
    clear(otherSum);
    clear(R9);
    Label pairs = new Label();
    Label pairsEnd = new Label();
    a.mov(R8, Address.of(RDI, PAIRS_BYTES));
    a.test(R8, R8);
    a.jz(pairsEnd);
    a.bind(pairs);
    a.vmovups(temporary, at(RSI));
    a.vfmadd231ps(sum, temporary, temporary);
    a.vmovups(factor, Address.of(RSI, R9, 1, VECTOR_BYTES));
    a.vfmadd231ps(otherSum, factor, factor);
    a.add(R9, 2 * VECTOR_BYTES);
    a.cmp(R9, R8);
    a.jb(pairs);
    a.bind(pairsEnd);
    Label added = new Label();
    a.cmp(R9, Address.of(RDI, WHOLE_BYTES));
    a.jae(added);
    a.vmovups(temporary, at(RSI));
    a.vfmadd231ps(sum, temporary, temporary);
    a.add(R9, VECTOR_BYTES);
    a.bind(added);
    a.vaddps(sum, sum, otherSum);
    halve(sum);
    forEachRest(
        () -> {
          a.vpbroadcastd(temporary, at(RSI));
          a.vfmadd231ps(sum, temporary, temporary);
        });
  }

  private void assembleSwiGlu() {
    addOffset(RSI, A_OFFSET);
    addOffset(RDX, B_OFFSET);
    addOffset(RCX, C_OFFSET);
    Constants exp = new Constants();
    Zmm gate = new Zmm(12);
    Zmm sign = constantRegister();
    exp.load();
    a.vpbroadcastd(sign, Address.of(exp.sign));
    prepareRest();
    forEachVector(
        mask -> {
          load(gate, mask, RSI);
          a.vpxord(bounded, gate, sign);
          exp.assemble();
          a.vaddps(power, power, exp.one);
          a.vdivps(power, gate, power);
          load(temporary, mask, RDX);
          a.vmulps(power, power, temporary);
          store(RCX, mask, power);
        });
    end();
    exp.put();
  }

  private void assembleExponentials() {
    addOffset(RSI, A_OFFSET);
    Constants exp = new Constants();
    exp.load();
    a.vpbroadcastd(factor, Address.of(RDI, SCALAR));
    clear(sum);
    prepareRest();
    forEachVector(
        mask -> {
          load(bounded, mask, RSI);
          a.vsubps(bounded, bounded, factor);
          exp.assemble();
          store(RSI, mask, power);
          if (mask == MaskRegister.ALL) {
            a.vaddps(sum, sum, power);
          }
        });
    halve(sum);
    a.vcvtps2pd(sum, sum);
    forEachRest(
        () -> {
          a.vpbroadcastd(temporary, at(RSI));
          a.vcvtps2pd(temporary, temporary);
          a.vaddpd(sum, sum, temporary);
        });
    a.vcvtpd2ps(sum, sum);
    endWith(sum);
    exp.put();
  }

  private void assembleMax() {
    addOffset(RSI, A_OFFSET);
    a.vpbroadcastd(sum, Address.of(RSI, 0));
    clear(R9);
    Label vectors = new Label();
    Label vectorsEnd = new Label();
    a.mov(R8, Address.of(RDI, WHOLE_BYTES));
    a.test(R8, R8);
    a.jz(vectorsEnd);
    a.bind(vectors);
    a.vmovups(temporary, at(RSI));
    takeLarger();
    a.add(R9, VECTOR_BYTES);
    a.cmp(R9, R8);
    a.jb(vectors);
    a.bind(vectorsEnd);
    forEachRest(
        () -> {
          a.vpbroadcastd(temporary, at(RSI));
          takeLarger();
        });
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
      a.valignd(temporary, sum, sum, distance);
      takeLarger();
    }
    endWith(sum);
  }

  /** The larger of {@link #sum} and {@link #temporary}; NaN is larger than all. */
  private void takeLarger() {
    a.vcmpunordps(NANS, temporary);
    a.vmaxps(sum, temporary, sum);
    a.vmovaps(sum, NANS, temporary);
  }

  private void assembleRotate() {
    Zmm first = new Zmm(1);
    Zmm second = new Zmm(2);
    Zmm cos = new Zmm(3);
    Zmm sin = new Zmm(4);
    Zmm product = new Zmm(5);
    addOffset(RSI, A_OFFSET);
    addOffset(RDX, B_OFFSET);
    addOffset(RCX, C_OFFSET);
    prepareRest();
    a.mov(R10, Address.of(RDI, HEADS));
    Label head = new Label();
    a.bind(head);
    a.mov(RAX, Address.of(RDI, BYTES));
    a.add(RAX, RSI);
    forEachVector(
        mask -> {
          load(first, mask, RSI);
          load(second, mask, RAX);
          load(cos, mask, RDX);
          load(sin, mask, RCX);
          a.vmulps(product, first, cos);
          a.vmulps(temporary, second, sin);
          a.vsubps(product, product, temporary);
          store(RSI, mask, product);
          a.vmulps(product, second, cos);
          a.vmulps(temporary, first, sin);
          a.vaddps(product, product, temporary);
          store(RAX, mask, product);
        });
    a.add(RAX, Address.of(RDI, BYTES));
    a.mov(RSI, RAX);
    a.dec(R10);
    a.jnz(head);
    end();
  }

  // ---- loops ----

  private void addOffset(Gpr array, int parameter) {
    a.add(array, Address.of(RDI, parameter));
  }

  private void prepareRest() {
    a.mov(RAX, Address.of(RDI, REST_MASK));
    a.kmovw(REST, RAX);
  }

  /** The body for whole vectors, the mask being {@link MaskRegister#ALL}, and for the rest. */
  private void forEachVector(Consumer<MaskRegister> body) {
    Label vector = new Label();
    Label rest = new Label();
    clear(R9);
    a.mov(R8, Address.of(RDI, WHOLE_BYTES));
    a.test(R8, R8);
    a.jz(rest);
    a.bind(vector);
    body.accept(MaskRegister.ALL);
    a.add(R9, VECTOR_BYTES);
    a.cmp(R9, R8);
    a.jb(vector);
    a.bind(rest);
    Label end = new Label();
    a.mov(R8, Address.of(RDI, REST_MASK));
    a.test(R8, R8);
    a.jz(end);
    body.accept(REST);
    a.bind(end);
  }

  /** The body for one element after the other behind the whole vectors, where R9 has come to. */
  private void forEachRest(Runnable body) {
    Label element = new Label();
    Label end = new Label();
    a.mov(R8, Address.of(RDI, BYTES));
    a.cmp(R9, R8);
    a.jae(end);
    a.bind(element);
    body.run();
    a.add(R9, Float.BYTES);
    a.cmp(R9, R8);
    a.jb(element);
    a.bind(end);
  }

  private static Address at(Gpr array) {
    return Address.of(array, R9, 1, 0);
  }

  private void load(Zmm to, MaskRegister mask, Gpr array) {
    if (mask == MaskRegister.ALL) {
      a.vmovups(to, at(array));
    } else {
      a.vmovups(to, mask, at(array));
    }
  }

  private void store(Gpr array, MaskRegister mask, Zmm from) {
    a.vmovups(at(array), mask, from);
  }

  private void clear(Zmm register) {
    a.vpxord(register, register, register);
  }

  private void clear(Gpr register) {
    a.sub(register, register);
  }

  /** The sum of all lanes, in every lane. */
  private void halve(Zmm vector) {
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
      a.valignd(temporary, vector, vector, distance);
      a.vaddps(vector, vector, temporary);
    }
  }

  private void endWith(Zmm result) {
    a.mov(RAX, 1L);
    a.kmovw(FIRST, RAX);
    a.vmovups(Address.of(RDI, RESULT), FIRST, result);
    end();
  }

  private void end() {
    a.mov(RAX, 0L);
    a.vzeroupper();
    a.ret();
  }

  private Zmm constantRegister() {
    return new Zmm(16 + constants++);
  }

  /** The exponential's constants, in registers of their own. */
  private final class Constants {
    final Label sign = new Label();
    final Zmm one = constantRegister();
    private final Zmm min = constantRegister();
    private final Zmm max = constantRegister();
    private final Zmm log2e = constantRegister();
    private final Zmm rounder = constantRegister();
    private final Zmm minusLn2High = constantRegister();
    private final Zmm minusLn2Low = constantRegister();
    private final Zmm[] coefficients = new Zmm[6];
    private final Label values = new Label();

    Constants() {
      for (int i = 0; i < coefficients.length; i++) {
        coefficients[i] = constantRegister();
      }
    }

    void load() {
      Zmm[] registers = {one, min, max, log2e, rounder, minusLn2High, minusLn2Low};
      a.lea(RAX, Address.of(values));
      for (int i = 0; i < registers.length; i++) {
        a.vpbroadcastd(registers[i], Address.of(RAX, Float.BYTES * i));
      }
      for (int i = 0; i < coefficients.length; i++) {
        a.vpbroadcastd(coefficients[i], Address.of(RAX, Float.BYTES * (registers.length + i)));
      }
    }

    void put() {
      a.bind(values);
      float[] floats = {
        1,
        ElementArithmetic.EXP_MIN,
        ElementArithmetic.EXP_MAX,
        ElementArithmetic.LOG2_E,
        ElementArithmetic.ROUNDER,
        -ElementArithmetic.LN2_HIGH,
        -ElementArithmetic.LN2_LOW,
        ElementArithmetic.EXP_5,
        ElementArithmetic.EXP_4,
        ElementArithmetic.EXP_3,
        ElementArithmetic.EXP_2,
        ElementArithmetic.EXP_1,
        ElementArithmetic.EXP_0
      };
      for (float value : floats) {
        a.words(Float.floatToRawIntBits(value));
      }
      a.bind(sign);
      a.words(Float.floatToRawIntBits(-0f));
    }

    /** {@link #power} becomes the exponential of {@link #bounded}, which may exceed the bounds. */
    void assemble() {
      // The last operand stays where one is NaN.
      a.vmaxps(bounded, min, bounded);
      a.vminps(bounded, max, bounded);
      a.vmovdqa32(rounded, bounded);
      a.vfmadd213ps(rounded, log2e, rounder);
      a.vsubps(n, rounded, rounder);
      a.vmovdqa32(r, n);
      a.vfmadd213ps(r, minusLn2High, bounded);
      a.vfmadd231ps(r, n, minusLn2Low);
      a.vmulps(power, r, coefficients[0]);
      a.vaddps(power, power, coefficients[1]);
      for (int i = 2; i < coefficients.length; i++) {
        a.vfmadd213ps(power, r, coefficients[i]);
      }
      a.vmulps(n, r, r);
      a.vfmadd213ps(power, n, r);
      a.vaddps(power, power, one);
      a.vpslld(n, rounded, 23);
      a.vpaddd(n, n, one);
      a.vmulps(power, power, n);
    }
  }
}
