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

  void addScaled(float scale, float[] x, int xOffset, float[] y, int yOffset, int length) {
    AssembledScratch scratch = scratch(xOffset, yOffset, 0, length);
    scratch.setParameter(ElementCode.SCALAR, Float.floatToRawIntBits(scale));
    addScaled.run(scratch.parameters, of(x), of(y), MemorySegment.NULL);
  }

  void rmsNorm(
      float[] x, int xOffset, float[] weight, float epsilon, float[] y, int yOffset, int length) {
    AssembledScratch scratch = scratch(xOffset, 0, yOffset, length);
    scratch.setParameter(
        ElementCode.PAIRS_BYTES, (long) (length - length % (2 * LANES)) * Float.BYTES);
    scratch.setParameter(ElementCode.LENGTH, Double.doubleToRawLongBits(length));
    scratch.setParameter(ElementCode.EPSILON, Double.doubleToRawLongBits(epsilon));
    rmsNorm.run(scratch.parameters, of(x), of(weight), of(y));
  }

  void swiGlu(
      float[] gate, int gateOffset, float[] up, int upOffset, float[] y, int yOffset, int length) {
    AssembledScratch scratch = scratch(gateOffset, upOffset, yOffset, length);
    swiGlu.run(scratch.parameters, of(gate), of(up), of(y));
  }

  float max(float[] x, int offset, int length) {
    AssembledScratch scratch = scratch(offset, 0, 0, length);
    max.run(scratch.parameters, of(x));
    return scratch.result(ElementCode.RESULT);
  }

  float exponentials(float[] x, int offset, int length, float max) {
    AssembledScratch scratch = scratch(offset, 0, 0, length);
    scratch.setParameter(ElementCode.SCALAR, Float.floatToRawIntBits(max));
    exponentials.run(scratch.parameters, of(x));
    return scratch.result(ElementCode.RESULT);
  }

  void rotate(
      float[] x, int offset, int heads, float[] cos, float[] sin, int tableOffset, int half) {
    if (heads == 0) {
      return;
    }
    AssembledScratch scratch = scratch(offset, tableOffset, tableOffset, half);
    scratch.setParameter(ElementCode.HEADS, heads);
    rotate.run(scratch.parameters, of(x), of(cos), of(sin));
  }

  private static MemorySegment of(float[] array) {
    return MemorySegment.ofArray(array);
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
    float[] x = random(random, length);
    float[] z = random(random, length);
    float[] y = new float[length];
    rmsNorm(x, 0, z, 1e-5f, y, 0, length);
    float squares = ElementArithmetic.dot(x, 0, x, 0, length);
    float factor = ElementArithmetic.normFactor(squares, length, 1e-5f);
    for (int i = 0; i < length; i++) {
      check(z[i] * (x[i] * factor), y[i]);
    }
    swiGlu(x, 0, z, 0, y, 0, length);
    float largest = x[0];
    for (int i = 0; i < length; i++) {
      check(ElementArithmetic.swiGlu(x[i], z[i]), y[i]);
      largest = Math.max(largest, x[i]);
    }
    check(largest, max(x, 0, length));
    y = x.clone();
    float sum = exponentials(y, 0, length, largest);
    for (int i = 0; i < length; i++) {
      check(ElementArithmetic.exp(x[i] - largest), y[i]);
    }
    check(ElementArithmetic.sum(y, 0, length), sum);
    y = x.clone();
    addScaled(factor, z, 0, y, 0, length);
    for (int i = 0; i < length; i++) {
      check(Math.fma(factor, z[i], x[i]), y[i]);
    }
    y = x.clone();
    int half = LANES + 3;
    rotate(y, 0, 1, z, z, 0, half);
    for (int i = 0; i < half; i++) {
      check(x[i] * z[i] - x[half + i] * z[i], y[i]);
      check(x[half + i] * z[i] + x[i] * z[i], y[half + i]);
    }
  }

  private static float[] random(SplittableRandom random, int length) {
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) (8 * random.nextDouble() - 4);
    }
    return values;
  }

  private static void check(float expected, float found) {
    AssembledSelfTest.check("arrays", expected, found);
  }
}
