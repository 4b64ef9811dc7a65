package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import java.lang.ref.Reference;

/**
 * Kernels on vectors of one width for the whole process. Weights are decoded exactly; only the
 * order of the sums and their float32 rounding differ from {@link ScalarKernels}. A product is
 * tested to be within {@code 2^-20} times the sum of its terms' magnitudes up to 14336 columns, and
 * so the one-token path and the many-token path are within twice that of each other.
 *
 * <p>This class checks the arguments; the classes behind it trust them. Where to look: {@link
 * MatrixByToken} and {@link MatrixByTokens} for the order of the work, {@link Q4Kernels} and its
 * siblings for the encodings, {@link AttentionKernels} and {@link ElementKernels} for the rest.
 */
public final class VectorKernels implements Kernels {
  private static final VectorKernels INSTANCE = new VectorKernels(false);
  private static final VectorKernels ROUNDING = new VectorKernels(true);

  private final boolean roundsActivations;

  private VectorKernels(boolean roundsActivations) {
    this.roundsActivations = roundsActivations;
  }

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
  public Kernels roundingActivations() {
    return ROUNDING;
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
    MultiplyBounds.check(
        matrix, x, xOffset, xStride, tokens, y, yOffset, yStride, panelStart, panelEnd);
    boolean rounding = roundsActivations && ActivationRounding.appliesTo(matrix.encoding());
    try {
      if (tokens == 1 && !matrix.encoding().isTrellis()) {
        MatrixByToken.multiply(matrix, rounding, x, xOffset, y, yOffset, panelStart, panelEnd);
      } else if (rounding && matrix.encoding() == Encoding.Q4) {
        Q4ByTokens.multiply(
            matrix, x, xOffset, xStride, tokens, y, yOffset, yStride, panelStart, panelEnd);
      } else {
        MatrixByTokens.multiply(
            matrix,
            rounding,
            x,
            xOffset,
            xStride,
            tokens,
            y,
            yOffset,
            yStride,
            panelStart,
            panelEnd);
      }
    } finally {
      // Memory is read by address, so only this keeps an automatic arena from being collected.
      Reference.reachabilityFence(matrix);
    }
  }

  @Override
  public void addScaled(float scale, float[] x, int xOffset, float[] y, int yOffset, int length) {
    ElementBounds.checkPair(x, xOffset, y, yOffset, length);
    ElementKernels.addScaled(scale, x, xOffset, y, yOffset, length);
  }

  @Override
  public void rmsNorm(
      float[] x, int xOffset, float[] weight, float epsilon, float[] y, int yOffset, int length) {
    ElementBounds.checkRmsNorm(x, xOffset, weight, y, yOffset, length);
    ElementKernels.rmsNorm(x, xOffset, weight, epsilon, y, yOffset, length);
  }

  @Override
  public void swiGlu(
      float[] gate, int gateOffset, float[] up, int upOffset, float[] y, int yOffset, int length) {
    ElementBounds.checkSwiGlu(gate, gateOffset, up, upOffset, y, yOffset, length);
    ElementKernels.swiGlu(gate, gateOffset, up, upOffset, y, yOffset, length);
  }

  @Override
  public float max(float[] x, int offset, int length) {
    ElementBounds.checkMax(x, offset, length);
    return ElementKernels.max(x, offset, length);
  }

  @Override
  public float exponentials(float[] x, int offset, int length, float max) {
    ElementBounds.check(x, offset, length);
    return ElementKernels.exponentials(x, offset, length, max);
  }

  @Override
  public void scores(
      float[] queries,
      int queriesOffset,
      int rows,
      int headDim,
      CachedFloats keys,
      int keysOffset,
      int blocks,
      float[] scores,
      int scoresOffset,
      int scoresStride) {
    AttentionBounds.checkScores(
        queries.length,
        queriesOffset,
        rows,
        headDim,
        scores.length,
        scoresOffset,
        scoresStride,
        blocks);
    AttentionBounds.checkKeys(keys, keysOffset, blocks, headDim);
    AttentionKernels.scores(
        queries,
        queriesOffset,
        rows,
        headDim,
        keys,
        keysOffset,
        blocks,
        scores,
        scoresOffset,
        scoresStride);
  }

  @Override
  public void addWeighted(
      float[] weights,
      int weightsOffset,
      int weightsStride,
      int rows,
      CachedFloats values,
      int valuesOffset,
      int count,
      int headDim,
      float[] sums,
      int sumsOffset) {
    AttentionBounds.checkWeighted(
        weights.length,
        weightsOffset,
        weightsStride,
        rows,
        count,
        headDim,
        sums.length,
        sumsOffset);
    AttentionBounds.checkValues(values, valuesOffset, count, headDim);
    AttentionKernels.addWeighted(
        weights,
        weightsOffset,
        weightsStride,
        rows,
        values,
        valuesOffset,
        count,
        headDim,
        sums,
        sumsOffset);
  }

  @Override
  public void rotate(
      float[] x, int offset, int heads, float[] cos, float[] sin, int tableOffset, int half) {
    ElementBounds.checkRotate(x, offset, heads, cos, sin, tableOffset, half);
    ElementKernels.rotate(x, offset, heads, cos, sin, tableOffset, half);
  }
}
