package bora.runtime.memory;

/** What a tensor on the device is for; the parts of an estimate are sums over one kind. */
enum TensorKind {
  WEIGHT,
  WORKSPACE,
  KEY_VALUE,
  POSITION,
  HIDDEN_STATE,
  ATTENTION,
  FEED_FORWARD,
  ROUTING,
  LOGITS
}
