package bora.runtime.kernel;

import bora.runtime.machine.MachineCode;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/** The kernels on plain arrays in machine code: what each call is given. Arguments are checked. */
final class AssembledElements {
  private static final int LANES = ElementArithmetic.SUMS;

  /** Assembled and tested at the first use. */
  private static AssembledElements instance;

  private final MachineCode addScaled = ElementCode.addScaled();
  private final MachineCode rmsNorm = ElementCode.rmsNorm();
  private final MachineCode swiGlu = ElementCode.swiGlu();
  private final MachineCode max = ElementCode.max();
  private final MachineCode exponentials = ElementCode.exponentials();
  private final MachineCode rotate = ElementCode.rotate();

  private AssembledElements() {}

  /**
   * The same at every call.
   *
   * @throws IllegalStateException when the code does not compute what it should
   */
  static AssembledElements tested() {
    AssembledElements elements = instance;
    return elements != null ? elements : make();
  }

  private static synchronized AssembledElements make() {
    if (instance == null) {
      AssembledElements elements = new AssembledElements();
      elements.test();
      instance = elements;
    }
    return instance;
  }

  void addScaled(float scale, FloatArray x, int xOffset, FloatArray y, int yOffset, int length) {
    AssembledScratch scratch = scratch(xOffset, yOffset, 0, length);
    scratch.setParameter(ElementCode.SCALAR, Float.floatToRawIntBits(scale));
    addScaled.run(scratch.parameters, x.segment(), y.segment(), MemorySegment.NULL);
  }

  void rmsNorm(
      FloatArray x,
      int xOffset,
      FloatArray weight,
      float epsilon,
      FloatArray y,
      int yOffset,
      int length) {
    AssembledScratch scratch = scratch(xOffset, 0, yOffset, length);
    scratch.setParameter(
        ElementCode.PAIRS_BYTES, (long) (length - length % (2 * LANES)) * Float.BYTES);
    scratch.setParameter(ElementCode.LENGTH, Double.doubleToRawLongBits(length));
    scratch.setParameter(ElementCode.EPSILON, Double.doubleToRawLongBits(epsilon));
    rmsNorm.run(scratch.parameters, x.segment(), weight.segment(), y.segment());
  }

  void swiGlu(
      FloatArray gate,
      int gateOffset,
      FloatArray up,
      int upOffset,
      FloatArray y,
      int yOffset,
      int length) {
    AssembledScratch scratch = scratch(gateOffset, upOffset, yOffset, length);
    swiGlu.run(scratch.parameters, gate.segment(), up.segment(), y.segment());
  }

  float max(FloatArray x, int offset, int length) {
    AssembledScratch scratch = scratch(offset, 0, 0, length);
    max.run(scratch.parameters, x.segment());
    return scratch.result(ElementCode.RESULT);
  }

  float exponentials(FloatArray x, int offset, int length, float max) {
    AssembledScratch scratch = scratch(offset, 0, 0, length);
    scratch.setParameter(ElementCode.SCALAR, Float.floatToRawIntBits(max));
    exponentials.run(scratch.parameters, x.segment());
    return scratch.result(ElementCode.RESULT);
  }

  void rotate(
      FloatArray x,
      int offset,
      int heads,
      FloatArray cos,
      FloatArray sin,
      int tableOffset,
      int half) {
    if (heads == 0) {
      return;
    }
    AssembledScratch scratch = scratch(offset, tableOffset, tableOffset, half);
    scratch.setParameter(ElementCode.HEADS, heads);
    rotate.run(scratch.parameters, x.segment(), cos.segment(), sin.segment());
  }

  private static AssembledScratch scratch(int aOffset, int bOffset, int cOffset, int length) {
    AssembledScratch scratch = AssembledScratch.ofThread();
    int rest = length % LANES;
    scratch.setParameter(ElementCode.A_OFFSET, (long) aOffset * Float.BYTES);
    scratch.setParameter(ElementCode.B_OFFSET, (long) bOffset * Float.BYTES);
    scratch.setParameter(ElementCode.C_OFFSET, (long) cOffset * Float.BYTES);
    scratch.setParameter(ElementCode.WHOLE_BYTES, (long) (length - rest) * Float.BYTES);
    scratch.setParameter(ElementCode.BYTES, (long) length * Float.BYTES);
    scratch.setParameter(ElementCode.REST_MASK, (1 << rest) - 1);
    return scratch;
  }

  /** Holds each function against its definition: three whole vectors and what is left. */
  private void test() {
    int length = 3 * LANES + 5;
    SplittableRandom random = new SplittableRandom(1);
    FloatArray x = random(random, length);
    FloatArray z = random(random, length);
    FloatArray y = FloatArray.ofLength(length);
    rmsNorm(x, 0, z, 1e-5f, y, 0, length);
    float squares = ElementArithmetic.dot(x.values(), 0, x.values(), 0, length);
    float factor = ElementArithmetic.normFactor(squares, length, 1e-5f);
    for (int i = 0; i < length; i++) {
      check(z.get(i) * (x.get(i) * factor), y.get(i));
    }
    swiGlu(x, 0, z, 0, y, 0, length);
    float largest = x.get(0);
    for (int i = 0; i < length; i++) {
      check(ElementArithmetic.swiGlu(x.get(i), z.get(i)), y.get(i));
      largest = Math.max(largest, x.get(i));
    }
    check(largest, max(x, 0, length));
    y = x.copy();
    float sum = exponentials(y, 0, length, largest);
    for (int i = 0; i < length; i++) {
      check(ElementArithmetic.exp(x.get(i) - largest), y.get(i));
    }
    check(ElementArithmetic.sum(y.values(), 0, length), sum);
    y = x.copy();
    addScaled(factor, z, 0, y, 0, length);
    for (int i = 0; i < length; i++) {
      check(Math.fma(factor, z.get(i), x.get(i)), y.get(i));
    }
    y = x.copy();
    int half = LANES + 3;
    rotate(y, 0, 1, z, z, 0, half);
    for (int i = 0; i < half; i++) {
      check(x.get(i) * z.get(i) - x.get(half + i) * z.get(i), y.get(i));
      check(x.get(half + i) * z.get(i) + x.get(i) * z.get(i), y.get(half + i));
    }
  }

  private static FloatArray random(SplittableRandom random, int length) {
    FloatArray values = FloatArray.ofLength(length);
    for (int i = 0; i < length; i++) {
      values.set(i, (float) (8 * random.nextDouble() - 4));
    }
    return values;
  }

  private static void check(float expected, float found) {
    AssembledSelfTest.check("arrays", expected, found);
  }
}
