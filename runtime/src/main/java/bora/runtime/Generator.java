package bora.runtime;

import java.util.Arrays;
import java.util.function.IntPredicate;

/** Continues a prompt token by token: prefill, then decode steps. */
public final class Generator {
  private final Model model;
  private final Session session;
  private final TokenSampler sampler;

  /**
   * @param model whose end-of-sequence tokens stop the generation
   * @param session of that model; what it has already run precedes the prompt
   */
  public Generator(Model model, Session session, Sampling sampling) {
    this.model = model;
    this.session = session;
    this.sampler = new TokenSampler(sampling);
  }

  /**
   * Generates until an end-of-sequence token, {@code maxTokens}, or the listener's end. The last
   * token has not been run: the session ends {@code prompt.length + generated - 1} positions
   * further. The draws go on from call to call, and what earlier calls have run and generated
   * counts as a repetition.
   *
   * @param prompt at least one token
   * @param maxTokens at least 1
   * @param goOn told each token as it is chosen, an end-of-sequence token included; says whether to
   *     generate another
   * @return the same tokens
   * @throws IllegalStateException when the session's context does not have room for {@code
   *     prompt.length + maxTokens - 1} tokens; nothing has been run
   */
  public int[] generate(int[] prompt, int maxTokens, IntPredicate goOn) {
    if (maxTokens < 1) {
      throw new IllegalArgumentException("maxTokens: expected at least 1, found " + maxTokens);
    }
    long needed = (long) session.position() + prompt.length + maxTokens - 1;
    if (needed > session.contextTokens()) {
      throw new IllegalStateException(
          "context: expected room for "
              + needed
              + " tokens, found a session of "
              + session.contextTokens());
    }
    model.awaitWarmUp();
    for (int token : prompt) {
      sampler.observe(token);
    }
    int[] generated = new int[maxTokens];
    float[] logits = session.prefill(prompt, ForwardObserver.NONE);
    for (int count = 0; ; ) {
      int token = sampler.next(logits);
      generated[count++] = token;
      boolean more = goOn.test(token);
      if (!more || count == maxTokens || model.config().eosTokenIds().contains(token)) {
        return Arrays.copyOf(generated, count);
      }
      logits = session.decode(token, ForwardObserver.NONE);
    }
  }
}
