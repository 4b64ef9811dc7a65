package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;

/** Vector kernels; at this commit still the scalar definition behind the final interface. */
public final class VectorKernels implements Kernels {
  private static final VectorKernels INSTANCE = new VectorKernels();
  private static final Kernels DEFINITION = ScalarKernels.INSTANCE;

  private VectorKernels() {}

  static VectorKernels instance() {
    VectorWidth.unsupportedReason()
        .ifPresent(
            reason -> {
              throw new UnsupportedOperationException("no vector kernels: " + reason);
            });
    return INSTANCE;
  }

  @Override
  public String description() {
    return "vector " + VectorWidth.bits() + " bits";
  }

  @Override
  public void multiply(
      EncodedTensor matrix,
      float[] x,
      int xOffset,
      int xStride,
      int tokens,
      float[] y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd) {
    DEFINITION.multiply(
        matrix, x, xOffset, xStride, tokens, y, yOffset, yStride, panelStart, panelEnd);
  }

  @Override
  public float dot(float[] a, int aOffset, float[] b, int bOffset, int length) {
    return DEFINITION.dot(a, aOffset, b, bOffset, length);
  }

  @Override
  public void addScaled(float scale, float[] x, int xOffset, float[] y, int yOffset, int length) {
    DEFINITION.addScaled(scale, x, xOffset, y, yOffset, length);
  }

  @Override
  public void rmsNorm(
      float[] x, int xOffset, float[] weight, float epsilon, float[] y, int yOffset, int length) {
    DEFINITION.rmsNorm(x, xOffset, weight, epsilon, y, yOffset, length);
  }

  @Override
  public void swiGlu(
      float[] gate, int gateOffset, float[] up, int upOffset, float[] y, int yOffset, int length) {
    DEFINITION.swiGlu(gate, gateOffset, up, upOffset, y, yOffset, length);
  }

  @Override
  public void softmax(float[] x, int offset, int length) {
    DEFINITION.softmax(x, offset, length);
  }

  @Override
  public void rotate(float[] x, int offset, float[] cos, float[] sin, int tableOffset, int half) {
    DEFINITION.rotate(x, offset, cos, sin, tableOffset, half);
  }
}
