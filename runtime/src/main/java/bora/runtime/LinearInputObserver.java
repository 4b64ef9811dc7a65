package bora.runtime;

import bora.formats.model.TensorKey;

/**
 * Hears what the linear layers read, on the thread that runs a {@link LayerPass}. Tensors that read
 * the same are named by the first of them: q stands for k and v too, w1 for w3.
 */
@FunctionalInterface
public interface LinearInputObserver {
  /** Hears nothing. */
  LinearInputObserver NONE = (reader, rows, x, offset, weights, weightsOffset) -> {};

  /**
   * Rows that a tensor is about to be multiplied by. An expert hears the rows routed to it alone,
   * once a batch.
   *
   * @param reader q, o, w1, w2 or the lm_head
   * @param x [rows, columns of the reader] from {@code offset}; to be read during the call only
   * @param weights what each row's output is multiplied by, from {@code weightsOffset}: the routing
   *     weight of an expert, 1 for all others; at position 0 times {@link #firstTokenFactor}
   */
  void inputs(
      TensorKey reader, int rows, float[] x, int offset, float[] weights, int weightsOffset);

  /** By how much more the first token of a text counts. */
  default float firstTokenFactor() {
    return 1;
  }
}
