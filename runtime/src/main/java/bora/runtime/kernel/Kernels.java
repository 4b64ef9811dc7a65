package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;

/**
 * The arithmetic of a forward pass on float32 activations. {@link ScalarKernels} is the definition;
 * {@link VectorKernels} computes the same sums in another order and is proven equal to it within
 * the bounds that its methods state.
 *
 * <p>Kernels have no state of their own but scratch memory of each calling thread, start no threads
 * and, once warm, allocate nothing. Any number of threads may call them at once as long as their
 * outputs do not overlap; {@link WorkerPool} splits the work. Offsets, strides and lengths count
 * floats. An index outside an array is an {@link IndexOutOfBoundsException} before anything is
 * written.
 */
public sealed interface Kernels permits ScalarKernels, VectorKernels {
  /** What computes, for reports: {@code "scalar"} or for example {@code "vector 512 bits"}. */
  String description();

  /**
   * Multiplies a matrix by the activations of some tokens, for the rows of some panels: {@code
   * y[yOffset + t * yStride + r] = sum over c of W[r][c] * x[xOffset + t * xStride + c]}.
   *
   * <p>A token's result depends neither on the number of tokens, as long as that is more than one,
   * nor on how the panels are split over calls. With one token the sums may be taken in another
   * order.
   *
   * @param matrix of shape [rows, columns], in native memory that stays open during the call
   * @param x the activations, {@code columns} of each token
   * @param xStride from one token to the next in {@code x}; at least {@code columns} unless there
   *     is but one
   * @param tokens at least 1
   * @param y receives the rows of the panels, of each token; other elements stay as they are
   * @param yStride from one token to the next in {@code y}; at least {@code rows} unless there is
   *     but one
   * @param panelStart the first panel, in units of {@code matrix.encoding().rowsPerPanel()} rows
   * @param panelEnd one past the last panel, at most {@code matrix.encoding().panelCount(rows)}
   * @throws IllegalArgumentException when {@code matrix} is a vector or not in native memory
   */
  void multiply(
      EncodedTensor matrix,
      float[] x,
      int xOffset,
      int xStride,
      int tokens,
      float[] y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd);

  /** The sum of {@code a[aOffset + i] * b[bOffset + i]}. */
  float dot(float[] a, int aOffset, float[] b, int bOffset, int length);

  /** {@code y[yOffset + i] += scale * x[xOffset + i]}. */
  void addScaled(float scale, float[] x, int xOffset, float[] y, int yOffset, int length);

  /**
   * The norm by the root of the mean square: {@code y[i] = weight[i] * x[i] / sqrt(mean(x^2) +
   * epsilon)}.
   *
   * @param weight {@code length} values from index 0
   * @param y may be {@code x} with the same offset
   */
  void rmsNorm(
      float[] x, int xOffset, float[] weight, float epsilon, float[] y, int yOffset, int length);

  /**
   * The gated activation of the feed-forward layers: {@code y[i] = silu(gate[i]) * up[i]} where
   * {@code silu(g) = g / (1 + exp(-g))}.
   *
   * @param y may be {@code gate} or {@code up} with the same offset
   */
  void swiGlu(
      float[] gate, int gateOffset, float[] up, int upOffset, float[] y, int yOffset, int length);

  /**
   * Replaces logits by probabilities: {@code exp(x[i] - max) / sum}.
   *
   * @param length at least 1
   */
  void softmax(float[] x, int offset, int length);

  /**
   * Turns one head by its position, in place. The pair of element i is element {@code half + i}, as
   * in the checkpoints of the hub: {@code (a, b) -> (a * cos[i] - b * sin[i], b * cos[i] + a *
   * sin[i])}.
   *
   * @param x one head, {@code 2 * half} values from {@code offset}
   * @param cos, and {@code sin}: {@code half} values of the position, from {@code tableOffset}
   */
  void rotate(float[] x, int offset, float[] cos, float[] sin, int tableOffset, int half);

  /** The definition: slow, simple, sums in double precision. */
  static Kernels scalar() {
    return ScalarKernels.INSTANCE;
  }

  /**
   * Vector kernels. The width is one for the whole process: that of the system property {@value
   * VectorWidth#PROPERTY} (128, 256 or 512) or, without it, the widest that the VM supports.
   *
   * @throws UnsupportedOperationException when this VM has no vectors of that width; the message
   *     says why
   */
  static Kernels vector() {
    return VectorKernels.instance();
  }

  /**
   * Vector kernels where the VM has vectors of at least 128 bits, else scalar ones, which {@link
   * #description} says. A width that the system property asks for is never replaced by another.
   *
   * @throws UnsupportedOperationException when the property asks for what this VM does not have
   */
  static Kernels preferred() {
    return VectorWidth.isRequested() || VectorWidth.unsupportedReason().isEmpty()
        ? vector()
        : scalar();
  }
}
