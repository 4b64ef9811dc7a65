package bora.runtime.kernel;

import bora.formats.encoding.BlockDecoder;
import bora.formats.encoding.EncodedTensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The definition of every kernel: weights from the scalar {@link BlockDecoder}, sums in double
 * precision in ascending order, rounded to float32 once.
 */
public final class ScalarKernels implements Kernels {
  static final ScalarKernels INSTANCE = new ScalarKernels(false);

  private static final ScalarKernels ROUNDING = new ScalarKernels(true);

  private static final int TILE_COLUMNS = 64;

  private final boolean roundsActivations;

  private ScalarKernels(boolean roundsActivations) {
    this.roundsActivations = roundsActivations;
  }

  @Override
  public String description() {
    return "scalar";
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
    int tokens = x.tokens();
    int lanes = matrix.encoding().rowsPerPanel();
    double[] sums = new double[tokens * lanes];
    float[] activations = x.values();
    float[] products = y.values();
    if (roundsActivations && ActivationRounding.appliesTo(matrix.encoding())) {
      activations = activations.clone();
      for (int t = 0; t < tokens; t++) {
        ActivationRounding.round(activations, x.offset(t), matrix.shape().columns());
      }
    }
    for (int panel = panelStart; panel < panelEnd; panel++) {
      sumPanel(matrix, panel, activations, x.offset(0), x.stride(), tokens, sums);
      int rowStart = panel * lanes;
      int rowCount = Math.min(lanes, matrix.shape().rows() - rowStart);
      for (int t = 0; t < tokens; t++) {
        for (int lane = 0; lane < rowCount; lane++) {
          products[yOffset + t * yStride + rowStart + lane] = (float) sums[t * lanes + lane];
        }
      }
    }
  }

  private static void sumPanel(
      EncodedTensor matrix,
      int panelIndex,
      float[] x,
      int xOffset,
      int xStride,
      int tokens,
      double[] sums) {
    BlockDecoder decoder = matrix.encoding().decoder();
    MemorySegment panel = matrix.panel(panelIndex);
    int lanes = matrix.encoding().rowsPerPanel();
    int columns = matrix.shape().columns();
    float[] tile = new float[TILE_COLUMNS * lanes];
    Arrays.fill(sums, 0);
    for (int columnStart = 0; columnStart < columns; columnStart += TILE_COLUMNS) {
      int columnCount = Math.min(TILE_COLUMNS, columns - columnStart);
      decoder.decodeTile(panel, columns, columnStart, columnCount, tile);
      for (int t = 0; t < tokens; t++) {
        int xStart = xOffset + t * xStride + columnStart;
        for (int c = 0; c < columnCount; c++) {
          double activation = x[xStart + c];
          for (int lane = 0; lane < lanes; lane++) {
            sums[t * lanes + lane] += activation * tile[c * lanes + lane];
          }
        }
      }
    }
  }

  @Override
  public void addScaled(
      float scale, FloatArray x, int xOffset, FloatArray y, int yOffset, int length) {
    ElementBounds.checkPair(x, xOffset, y, yOffset, length);
    for (int i = 0; i < length; i++) {
      y.set(yOffset + i, Math.fma(scale, x.get(xOffset + i), y.get(yOffset + i)));
    }
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
    double sumOfSquares = 0;
    for (int i = 0; i < length; i++) {
      sumOfSquares += (double) x.get(xOffset + i) * x.get(xOffset + i);
    }
    float factor = (float) (1 / Math.sqrt(sumOfSquares / length + epsilon));
    for (int i = 0; i < length; i++) {
      y.set(yOffset + i, weight.get(i) * (x.get(xOffset + i) * factor));
    }
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
    for (int i = 0; i < length; i++) {
      double g = gate.get(gateOffset + i);
      y.set(yOffset + i, (float) (g / (1 + Math.exp(-g)) * up.get(upOffset + i)));
    }
  }

  @Override
  public float max(FloatArray x, int offset, int length) {
    ElementBounds.checkMax(x, offset, length);
    float max = x.get(offset);
    for (int i = 1; i < length; i++) {
      max = Math.max(max, x.get(offset + i));
    }
    return max;
  }

  @Override
  public float exponentials(FloatArray x, int offset, int length, float max) {
    ElementBounds.check(x, offset, length);
    double sum = 0;
    for (int i = 0; i < length; i++) {
      float power = (float) Math.exp((double) x.get(offset + i) - max);
      x.set(offset + i, power);
      sum += power;
    }
    return (float) sum;
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
    for (int row = 0; row < rows; row++) {
      for (int slot = 0; slot < blocks * KEYS_PER_BLOCK; slot++) {
        int lane = slot % KEYS_PER_BLOCK;
        int first = keysOffset + (slot - lane) * headDim + lane;
        double sum = 0;
        for (int i = 0; i < headDim; i++) {
          float key = keys.get(first + i * KEYS_PER_BLOCK);
          sum += (double) queries.get(queriesOffset + row * headDim + i) * key;
        }
        scores.set(scoresOffset + row * scoresStride + slot, (float) sum);
      }
    }
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
    for (int row = 0; row < rows; row++) {
      for (int i = 0; i < headDim; i++) {
        double sum = sums.get(sumsOffset + row * headDim + i);
        for (int slot = 0; slot < count; slot++) {
          float weight = weights.get(weightsOffset + row * weightsStride + slot);
          sum += (double) weight * values.get(valuesOffset + slot * headDim + i);
        }
        sums.set(sumsOffset + row * headDim + i, (float) sum);
      }
    }
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
    for (int head = 0; head < heads; head++) {
      int first = offset + head * 2 * half;
      for (int i = 0; i < half; i++) {
        float a = x.get(first + i);
        float b = x.get(first + half + i);
        float c = cos.get(tableOffset + i);
        float s = sin.get(tableOffset + i);
        x.set(first + i, a * c - b * s);
        x.set(first + half + i, b * c + a * s);
      }
    }
  }
}
