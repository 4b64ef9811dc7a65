package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.runtime.machine.MachineCode;

/**
 * The arithmetic of a forward pass. Activations are float32; those of products may be {@linkplain
 * #roundingActivations rounded}. {@link ScalarKernels} is the definition; {@link VectorKernels}
 * computes the same sums in another order and is proven equal to it within the bounds that its
 * methods state; {@link AssembledKernels} computes them in machine code.
 *
 * <p>Kernels have no state of their own but scratch memory of each calling thread, start no threads
 * and, once warm, allocate nothing but for {@link ScalarKernels}. Any number of threads may call
 * them at once as long as their outputs do not overlap; {@link WorkerPool} splits the work.
 * Offsets, strides and lengths count floats. An index outside an array is an {@link
 * IndexOutOfBoundsException} before anything is written.
 */
public sealed interface Kernels permits ScalarKernels, VectorKernels, AssembledKernels {
  /**
   * Keys that stand interleaved, so that a vector holds one component of several, and two vectors
   * of the widest kind are neighbours.
   */
  int KEYS_PER_BLOCK = 32;

  /** What computes, for reports: {@code "scalar"}, or for example {@code "vector 512 bits"}. */
  String description();

  /**
   * Multiplies a matrix by the activations of some tokens, for the rows of some panels: {@code
   * y[yOffset + t * yStride + r] = sum over c of W[r][c] * x[t][c]}.
   *
   * <p>A token's result depends neither on the number of tokens, as long as that is more than one,
   * nor on how the panels are split over calls. With one token the sums may be taken in another
   * order.
   *
   * @param matrix of shape [rows, columns], in native memory that stays open during the call
   * @param x at least one token, of at least {@code columns} activations each
   * @param y receives the rows of the panels, of each token; other elements stay as they are
   * @param yStride from one token to the next in {@code y}; at least {@code rows} unless there is
   *     but one
   * @param panelStart the first panel, in units of {@code matrix.encoding().rowsPerPanel()} rows
   * @param panelEnd one past the last panel, at most {@code matrix.encoding().panelCount(rows)}
   * @throws IllegalArgumentException when {@code matrix} is a vector or not in native memory
   */
  void multiply(
      EncodedTensor matrix,
      TokenActivations x,
      FloatArray y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd);

  /**
   * These kernels with another {@link #multiply}: where a matrix's levels are integers, the
   * activations are first rounded to 8 bits, as {@link ActivationRounding} defines.
   */
  Kernels roundingActivations();

  /** {@code y[yOffset + i] += scale * x[xOffset + i]}. */
  void addScaled(float scale, FloatArray x, int xOffset, FloatArray y, int yOffset, int length);

  /**
   * The norm by the root of the mean square: {@code y[i] = weight[i] * x[i] / sqrt(mean(x^2) +
   * epsilon)}.
   *
   * @param weight {@code length} values from index 0
   * @param y may be {@code x} with the same offset
   */
  void rmsNorm(
      FloatArray x,
      int xOffset,
      FloatArray weight,
      float epsilon,
      FloatArray y,
      int yOffset,
      int length);

  /**
   * The gated activation of the feed-forward layers: {@code y[i] = silu(gate[i]) * up[i]} where
   * {@code silu(g) = g / (1 + exp(-g))}.
   *
   * @param y may be {@code gate} or {@code up} with the same offset
   */
  void swiGlu(
      FloatArray gate,
      int gateOffset,
      FloatArray up,
      int upOffset,
      FloatArray y,
      int yOffset,
      int length);

  /**
   * The largest element.
   *
   * @param length at least 1
   */
  float max(FloatArray x, int offset, int length);

  /**
   * Replaces elements by {@code exp(x[i] - max)}.
   *
   * @param max at least as large as every element
   * @return the sum of what stands there now
   */
  float exponentials(FloatArray x, int offset, int length, float max);

  /**
   * Scores queries against keys: {@code scores[scoresOffset + r * scoresStride + s] = sum over i of
   * queries[queriesOffset + r * headDim + i] * key(s)[i]}, for all keys s of the blocks.
   *
   * @param queries [rows, headDim] from {@code queriesOffset}
   * @param rows at least 1
   * @param keys [blocks, headDim, {@link #KEYS_PER_BLOCK}] from component {@code keysOffset}:
   *     component i of key s at {@code (s / B * headDim + i) * B + s % B} where {@code B} is that
   *     number
   * @param scoresStride from one row to the next
   */
  void scores(
      FloatArray queries,
      int queriesOffset,
      int rows,
      int headDim,
      CachedFloats keys,
      int keysOffset,
      int blocks,
      FloatArray scores,
      int scoresOffset,
      int scoresStride);

  /**
   * Adds weighted values: {@code sums[sumsOffset + r * headDim + i] += sum over s of
   * weights[weightsOffset + r * weightsStride + s] * value(s)[i]}, in the order of s.
   *
   * @param weightsStride from one row to the next
   * @param rows at least 1
   * @param values [count, headDim] from component {@code valuesOffset}
   * @param sums [rows, headDim] from {@code sumsOffset}
   */
  void addWeighted(
      FloatArray weights,
      int weightsOffset,
      int weightsStride,
      int rows,
      CachedFloats values,
      int valuesOffset,
      int count,
      int headDim,
      FloatArray sums,
      int sumsOffset);

  /**
   * Stores components of a key or value, rounded to the memory's format.
   *
   * @param x has {@code count} of them from {@code xOffset}
   * @param index of where the first goes
   * @param stride from one to the next, at least 1
   */
  void store(FloatArray x, int xOffset, int count, CachedFloats to, int index, int stride);

  /**
   * Turns the heads of a token by its position, in place. The pair of a head's element i is element
   * {@code half + i}, as in the checkpoints of the hub: {@code (a, b) -> (a * cos[i] - b * sin[i],
   * b * cos[i] + a * sin[i])}.
   *
   * @param x [heads, 2 * half] from {@code offset}
   * @param cos, and {@code sin}: {@code half} values of the position, from {@code tableOffset}
   */
  void rotate(
      FloatArray x,
      int offset,
      int heads,
      FloatArray cos,
      FloatArray sin,
      int tableOffset,
      int half);

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
   * #description} says: vectors of any width give the same bits. A width that the system property
   * asks for is never replaced by another.
   *
   * @throws UnsupportedOperationException when the property asks for what this VM does not have
   */
  static Kernels portable() {
    return VectorWidth.isRequested() || VectorWidth.unsupportedReason().isEmpty()
        ? vector()
        : scalar();
  }

  /**
   * Machine code where it runs, else {@linkplain #portable portable} kernels.
   *
   * @throws UnsupportedOperationException as {@link #portable}, where that is what computes
   */
  static Kernels fastest() {
    return MachineCode.unsupportedReason().isEmpty() ? AssembledKernels.instance() : portable();
  }
}
