package bora.runtime.kernel;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The activations that products multiply a matrix by: a row of each of some tokens, as they stand
 * when they are set. What machine code makes of them, rounded or in another order, each thread
 * keeps until they are set again; so products of the same activations, or a product in parts, make
 * it once. Whoever changes an activation sets them again before the next product.
 */
public final class TokenActivations {
  private static final AtomicLong LAST_VERSION = new AtomicLong();

  private FloatArray array;
  private int offset;
  private int stride;
  private int tokens;
  private long version;

  /** Activations that are still to be {@link #set}. */
  public TokenActivations() {}

  /** Activations that are {@link #set}. */
  public static TokenActivations of(FloatArray array, int offset, int stride, int tokens) {
    TokenActivations activations = new TokenActivations();
    activations.set(array, offset, stride, tokens);
    return activations;
  }

  /**
   * Sets which activations these are; their values are those of the array from now on.
   *
   * @param array column c of token t at {@code offset + t * stride + c}
   * @param stride from one token to the next; at least a matrix's columns unless there is but one
   * @param tokens at least 1
   */
  public void set(FloatArray array, int offset, int stride, int tokens) {
    if (tokens < 1) {
      throw new IllegalArgumentException("expected at least 1 token, found " + tokens);
    }
    this.array = array;
    this.offset = offset;
    this.stride = stride;
    this.tokens = tokens;
    version = LAST_VERSION.incrementAndGet();
  }

  int tokens() {
    return tokens;
  }

  int stride() {
    return stride;
  }

  /** Where a token's activations begin in {@link #values}. */
  int offset(int token) {
    return offset + token * stride;
  }

  FloatArray array() {
    return array;
  }

  float[] values() {
    return array.values();
  }

  /** A number that no other activations in this process have, nor these when they are set again. */
  long version() {
    return version;
  }
}
