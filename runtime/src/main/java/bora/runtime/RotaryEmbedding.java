package bora.runtime;

import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;

/**
 * Rotary position embedding in transformers' layout: dimension i of a head turns with dimension i +
 * headDim/2, by the angle {@code position * theta^(-2i/headDim)} (arXiv:2104.09864, {@code
 * rotate_half} of transformers' modeling_mistral.py).
 *
 * <p>Angles are computed in double for the positions of a batch, not looked up: nothing grows with
 * the context, and far positions are as accurate as near ones.
 */
final class RotaryEmbedding {
  private final Kernels kernels;
  private final int headDim;
  private final int half;
  private final double[] frequencies;
  private final FloatArray cosines;
  private final FloatArray sines;

  /**
   * @param maxTokens the most tokens of one batch
   */
  RotaryEmbedding(Kernels kernels, int headDim, double theta, int maxTokens) {
    this.kernels = kernels;
    this.headDim = headDim;
    this.half = headDim / 2;
    this.frequencies = new double[half];
    for (int i = 0; i < half; i++) {
      frequencies[i] = StrictMath.pow(theta, -2.0 * i / headDim);
    }
    this.cosines = FloatArray.ofLength(Math.multiplyExact(maxTokens, half));
    this.sines = FloatArray.ofLength(cosines.length());
  }

  /** Sets the positions of the batch: {@code firstPosition} and those that follow it. */
  void setPositions(int firstPosition, int tokens) {
    for (int token = 0; token < tokens; token++) {
      for (int i = 0; i < half; i++) {
        double angle = (firstPosition + token) * frequencies[i];
        cosines.set(token * half + i, (float) StrictMath.cos(angle));
        sines.set(token * half + i, (float) StrictMath.sin(angle));
      }
    }
  }

  /**
   * Turns all heads of the batch in place.
   *
   * @param heads [tokens, headCount, headDim]
   */
  void rotate(FloatArray heads, int headCount, int tokens) {
    for (int token = 0; token < tokens; token++) {
      int offset = token * headCount * headDim;
      kernels.rotate(heads, offset, headCount, cosines, sines, token * half, half);
    }
  }
}
