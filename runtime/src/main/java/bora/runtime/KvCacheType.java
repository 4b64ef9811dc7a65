package bora.runtime;

/** How a session keeps the keys and values of the tokens that it has seen. */
public enum KvCacheType {
  /** As they were computed. */
  F32,
  /** Rounded to bfloat16: half the memory, and half of what each further token reads of it. */
  BF16
}
