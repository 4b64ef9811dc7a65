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
      TokenActivations x,
      FloatArray y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd) {
    MultiplyBounds.check(matrix, x, y, yOffset, yStride, panelStart, panelEnd);
    boolean rounding = roundsActivations && ActivationRounding.appliesTo(matrix.encoding());
    try {
      if (x.tokens() == 1 && !matrix.encoding().isTrellis()) {
        MatrixByToken.multiply(matrix, rounding, x, y.values(), yOffset, panelStart, panelEnd);
      } else if (rounding && matrix.encoding() == Encoding.Q4) {
        Q4ByTokens.multiply(matrix, x, y.values(), yOffset, yStride, panelStart, panelEnd);
      } else {
        MatrixByTokens.multiply(
            matrix, rounding, x, y.values(), yOffset, yStride, panelStart, panelEnd);
      }
    } finally {
      // Memory is read by address, so only this keeps an automatic arena from being collected.
      Reference.reachabilityFence(matrix);
    }
  }

  @Override
  public void addScaled(
      float scale, FloatArray x, int xOffset, FloatArray y, int yOffset, int length) {
    ElementBounds.checkPair(x, xOffset, y, yOffset, length);
    ElementKernels.addScaled(scale, x.values(), xOffset, y.values(), yOffset, length);
  }

  @Override
  public void rmsNorm(
      FloatArray x,
      int xOffset,
      FloatArray weight,
      float epsilon,
      FloatArray y,
      int yOffset,
      int length) {
    ElementBounds.checkRmsNorm(x, xOffset, weight, y, yOffset, length);
    ElementKernels.rmsNorm(
        x.values(), xOffset, weight.values(), epsilon, y.values(), yOffset, length);
  }

  @Override
  public void swiGlu(
      FloatArray gate,
      int gateOffset,
      FloatArray up,
      int upOffset,
      FloatArray y,
      int yOffset,
      int length) {
    ElementBounds.checkSwiGlu(gate, gateOffset, up, upOffset, y, yOffset, length);
    ElementKernels.swiGlu(
        gate.values(), gateOffset, up.values(), upOffset, y.values(), yOffset, length);
  }

  @Override
  public float max(FloatArray x, int offset, int length) {
    ElementBounds.checkMax(x, offset, length);
    return ElementKernels.max(x.values(), offset, length);
  }

  @Override
  public float exponentials(FloatArray x, int offset, int length, float max) {
    ElementBounds.check(x, offset, length);
    return ElementKernels.exponentials(x.values(), offset, length, max);
  }

  @Override
  public void store(FloatArray x, int xOffset, int count, CachedFloats to, int index, int stride) {
    AttentionBounds.checkStored(x, xOffset, count, to, index, stride);
    to.put(index, stride, x.values(), xOffset, count);
  }

  @Override
  public void scores(
      FloatArray queries,
      int queriesOffset,
      int rows,
      int headDim,
      CachedFloats keys,
      int keysOffset,
      int blocks,
      FloatArray scores,
      int scoresOffset,
      int scoresStride) {
    AttentionBounds.checkScores(
        queries.length(),
        queriesOffset,
        rows,
        headDim,
        scores.length(),
        scoresOffset,
        scoresStride,
        blocks);
    AttentionBounds.checkKeys(keys, keysOffset, blocks, headDim);
    AttentionKernels.scores(
        queries.values(),
        queriesOffset,
        rows,
        headDim,
        keys,
        keysOffset,
        blocks,
        scores.values(),
        scoresOffset,
        scoresStride);
  }

  @Override
  public void addWeighted(
      FloatArray weights,
      int weightsOffset,
      int weightsStride,
      int rows,
      CachedFloats values,
      int valuesOffset,
      int count,
      int headDim,
      FloatArray sums,
      int sumsOffset) {
    AttentionBounds.checkWeighted(
        weights.length(),
        weightsOffset,
        weightsStride,
        rows,
        count,
        headDim,
        sums.length(),
        sumsOffset);
    AttentionBounds.checkValues(values, valuesOffset, count, headDim);
    AttentionKernels.addWeighted(
        weights.values(),
        weightsOffset,
        weightsStride,
        rows,
        values,
        valuesOffset,
        count,
        headDim,
        sums.values(),
        sumsOffset);
  }

  @Override
  public void rotate(
      FloatArray x,
      int offset,
      int heads,
      FloatArray cos,
      FloatArray sin,
      int tableOffset,
      int half) {
    ElementBounds.checkRotate(x, offset, heads, cos, sin, tableOffset, half);
    ElementKernels.rotate(x.values(), offset, heads, cos.values(), sin.values(), tableOffset, half);
  }
}
