package bora.runtime;

import bora.formats.model.ModelConfig;
import java.util.Objects;

/**
 * One sequence of tokens on its way through a model: its KV cache and scratch memory, given back
 * when it is closed, or its model is. A session is for one thread at a time; several sessions of a
 * model may be used by several threads, whose steps then take turns.
 *
 * <p>The cache holds {@code min(contextTokens, slidingWindow + 511)} positions, rounded up, so for
 * a model with a sliding window its memory does not grow with the context.
 */
public final class Session implements AutoCloseable {
  /** Tokens of a prefill that go through the layers together. */
  static final int MAX_BATCH = 512;

  private final Model model;
  private final ModelConfig config;
  private final int contextTokens;
  private final int maxBatch;
  private final ForwardPass pass;
  private int position;
  private boolean closed;

  Session(Model model, int contextTokens, KvCacheType cacheType, int maxBatch) {
    if (contextTokens < 1) {
      throw new IllegalArgumentException(
          "context: expected at least 1 token, found " + contextTokens);
    }
    this.model = model;
    this.config = model.config();
    this.contextTokens = contextTokens;
    this.maxBatch = Math.min(maxBatch, contextTokens);
    this.pass = model.newForwardPass(contextTokens, cacheType, this.maxBatch);
  }

  /** The position of the next token: how many have been run. */
  public int position() {
    return position;
  }

  /** The most tokens this session takes until it is reset. */
  public int contextTokens() {
    return contextTokens;
  }

  /** Forgets all tokens. Imposed routing stays. */
  public void reset() {
    position = 0;
  }

  /** Takes all memory of the cache, as a session does whose context is full: for measurements. */
  void fillCache() {
    synchronized (model.turn()) {
      checkOpen();
      pass.fillCache();
    }
  }

  /** Goes on as if so many tokens had been run, whatever the cache holds: for measurements. */
  void skipTo(int newPosition) {
    position = newPosition;
  }

  /**
   * Lets another source choose the experts from now on; {@link RoutingSource#ROUTER} gives the
   * choice back to the model. Without effect on a dense model.
   */
  public void imposeRouting(RoutingSource source) {
    pass.imposeRouting(Objects.requireNonNull(source, "source"));
  }

  /**
   * Runs tokens in batches, each sorted by expert. When the observer throws, {@link #position} says
   * how many tokens have been run, and the session can go on from there.
   *
   * @param tokens at least one
   * @param observer hears every position
   * @return the logits after the last token, {@code vocabSize} values; the array is the session's,
   *     and its next step overwrites it
   * @throws IllegalArgumentException when there is no token, or one outside the vocabulary
   * @throws IllegalStateException when they exceed the session's context, or it is closed; nothing
   *     has been run
   */
  public float[] prefill(int[] tokens, ForwardObserver observer) {
    if (tokens.length == 0) {
      throw new IllegalArgumentException("prefill: expected at least 1 token, found none");
    }
    for (int token : tokens) {
      checkToken(token);
    }
    checkContext(tokens.length);
    float[] logits = null;
    for (int start = 0; start < tokens.length; start += maxBatch) {
      int count = Math.min(maxBatch, tokens.length - start);
      boolean last = start + count == tokens.length;
      synchronized (model.turn()) {
        checkOpen();
        pass.runBatch(tokens, start, count, position, observer);
        if (observer.wantsLogits()) {
          logits = pass.tellLogits(position, count, observer);
        } else if (last) {
          logits = pass.logits(count - 1);
        }
        position += count;
      }
    }
    return logits;
  }

  /**
   * Runs one token, by kernels and a feed-forward of its own: what generation does after the
   * prompt.
   *
   * @return the logits after it, {@code vocabSize} values, as of {@link #prefill}
   * @throws IllegalArgumentException when the token is outside the vocabulary
   * @throws IllegalStateException when it exceeds the session's context, or the session is closed
   */
  public float[] decode(int token, ForwardObserver observer) {
    checkToken(token);
    checkContext(1);
    synchronized (model.turn()) {
      checkOpen();
      pass.runToken(token, position, observer);
      float[] logits = pass.logits(0);
      if (observer.wantsLogits()) {
        observer.logits(position, logits, 0);
      }
      position++;
      return logits;
    }
  }

  /** To be called in the model's turn. */
  private void checkOpen() {
    model.checkOpen();
    if (closed) {
      throw new IllegalStateException("the session is closed");
    }
  }

  private void checkToken(int token) {
    if (token < 0 || token >= config.vocabSize()) {
      throw new IllegalArgumentException(
          "token: expected 0 to "
              + (config.vocabSize() - 1)
              + " for a vocabulary of "
              + config.vocabSize()
              + ", found "
              + token);
    }
  }

  private void checkContext(int tokens) {
    if (tokens > contextTokens - position) {
      throw new IllegalStateException(
          "context: expected at most "
              + contextTokens
              + " tokens in this session, found "
              + ((long) position + tokens)
              + "; ask for a session with a longer context");
    }
  }

  /** Gives the memory back, after the step that it may be in. It then refuses to run. */
  @Override
  public void close() {
    synchronized (model.turn()) {
      if (!closed) {
        closed = true;
        pass.close();
        model.forget(this);
      }
    }
  }
}
