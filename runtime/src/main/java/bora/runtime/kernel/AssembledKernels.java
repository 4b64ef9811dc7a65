package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.runtime.machine.MachineCode;
import java.lang.ref.Reference;

/**
 * Kernels in machine code, which need no compiling and use instructions that the compiler has no
 * way to.
 *
 * <p>Most give the bits of {@link VectorKernels}. Products with quantized encodings, of one token
 * and of several whose activations are rounded, are what {@link DigitProducts} defines, bit for
 * bit. With one digit this is, but for the order and the rounding of float32 sums, what {@link
 * ScalarKernels} makes of rounded activations; with three, of exact ones. With {@code q4} and one
 * digit {@link VectorKernels} give the same bits.
 */
public final class AssembledKernels implements Kernels {
  private static final AssembledKernels INSTANCE = new AssembledKernels(false);
  private static final AssembledKernels ROUNDING = new AssembledKernels(true);

  private final boolean roundsActivations;

  private AssembledKernels(boolean roundsActivations) {
    this.roundsActivations = roundsActivations;
  }

  /**
   * @throws UnsupportedOperationException when no machine code runs in this process
   */
  static AssembledKernels instance() {
    MachineCode.unsupportedReason()
        .ifPresent(
            reason -> {
              throw new UnsupportedOperationException("no machine code: " + reason);
            });
    return INSTANCE;
  }

  @Override
  public String description() {
    return "machine code";
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
    Encoding encoding = matrix.encoding();
    boolean oneToken = x.tokens() == 1;
    boolean byDigits = encoding.isQuantized() && (oneToken || roundsActivations);
    MultiplyBounds.check(matrix, x, y, yOffset, yStride, panelStart, panelEnd);
    try {
      if (!oneToken && !byDigits) {
        AssembledFloatTokens.tested(encoding)
            .multiply(matrix, x, y, yOffset, yStride, panelStart, panelEnd);
        return;
      }
      if (!encoding.isQuantized()) {
        AssembledProducts.multiplyDense(
            AssembledDense.tested(encoding), matrix, x, y, yOffset, panelStart, panelEnd);
        return;
      }
      AssembledCode code = AssembledCode.of(encoding);
      if (oneToken) {
        ActivationDigits digits = roundsActivations ? ActivationDigits.ONE : ActivationDigits.THREE;
        if (encoding.isTrellis()) {
          AssembledTrellisProducts.multiply(
              code, digits, matrix, x, y, yOffset, panelStart, panelEnd);
        } else {
          AssembledProducts.multiply(code, digits, matrix, x, y, yOffset, panelStart, panelEnd);
        }
      } else {
        AssembledScratch.ofThread()
            .tokens
            .multiply(code, matrix, x, y, yOffset, yStride, panelStart, panelEnd);
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
    AssembledElements.tested().addScaled(scale, x, xOffset, y, yOffset, length);
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
    AssembledElements.tested().rmsNorm(x, xOffset, weight, epsilon, y, yOffset, length);
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
    AssembledElements.tested().swiGlu(gate, gateOffset, up, upOffset, y, yOffset, length);
  }

  @Override
  public float max(FloatArray x, int offset, int length) {
    ElementBounds.checkMax(x, offset, length);
    return AssembledElements.tested().max(x, offset, length);
  }

  @Override
  public float exponentials(FloatArray x, int offset, int length, float max) {
    ElementBounds.check(x, offset, length);
    return AssembledElements.tested().exponentials(x, offset, length, max);
  }

  @Override
  public void store(FloatArray x, int xOffset, int count, CachedFloats to, int index, int stride) {
    AttentionBounds.checkStored(x, xOffset, count, to, index, stride);
    AssembledAttention.of(to).store(x, xOffset, count, to, index, stride);
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
    AssembledAttention.of(keys)
        .scores(
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
    AssembledAttention.of(values)
        .addWeighted(
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
      FloatArray x,
      int offset,
      int heads,
      FloatArray cos,
      FloatArray sin,
      int tableOffset,
      int half) {
    ElementBounds.checkRotate(x, offset, heads, cos, sin, tableOffset, half);
    AssembledElements.tested().rotate(x, offset, heads, cos, sin, tableOffset, half);
  }
}
