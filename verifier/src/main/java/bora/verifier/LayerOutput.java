package bora.verifier;

/** What a model can be asked to give besides its logits. */
public enum LayerOutput {
  /** The hidden states, as {@link SequenceOutputs#hidden} counts them. */
  HIDDEN,
  /** The router's logits of every layer; nothing for a dense model. */
  ROUTER_LOGITS
}
