package bora.runtime;

/**
 * Hears what a forward pass computes, of prefill and decode alike, on the thread that called the
 * session: layer by layer, within a layer position by position. Prefill works in chunks of
 * positions, so that all layers of one chunk come before the first layer of the next.
 *
 * <p>The arrays belong to the session: they may be read during the call only, and not written.
 */
public interface ForwardObserver {
  /** Hears nothing. */
  ForwardObserver NONE =
      new ForwardObserver() {
        @Override
        public boolean wantsLogits() {
          return false;
        }
      };

  /**
   * A hidden state, {@code hiddenSize} values: what transformers calls {@code hidden_states}.
   *
   * @param index 0 for the embedding, i for the output of layer i - 1; {@code layerCount} for the
   *     output of the last layer <em>after</em> the output norm
   */
  default void hidden(int index, int position, float[] values, int offset) {}

  /** What a layer's router says, {@code expertCount} values; never called where there is none. */
  default void routerLogits(int layer, int position, float[] logits, int offset) {}

  /** The logits of a position, {@code vocabSize} values. */
  default void logits(int position, float[] logits, int offset) {}

  /**
   * Whether {@link #logits} is to be called, for every position. An observer that does not need
   * them says no: logits of all positions are a good part of a prefill's work.
   */
  default boolean wantsLogits() {
    return true;
  }
}
