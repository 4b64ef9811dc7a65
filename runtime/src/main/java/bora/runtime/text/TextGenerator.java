package bora.runtime.text;

import bora.runtime.Generator;
import bora.runtime.Model;
import bora.runtime.Sampling;
import bora.runtime.Session;
import java.util.List;

/** Continues a prompt with text, streamed as it comes: {@link Generator} with a tokenizer. */
public final class TextGenerator {
  private final Model model;
  private final Tokenizer tokenizer;
  private final Generator generator;
  private final List<String> stops;

  /**
   * @param session of that model; what it has already run precedes the prompts
   * @param stops the text ends before the first of these; may be none
   * @throws IllegalArgumentException when a stop string is empty
   */
  public TextGenerator(
      Model model, Session session, Tokenizer tokenizer, Sampling sampling, List<String> stops) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.generator = new Generator(model, session, sampling);
    this.stops = List.copyOf(stops);
    StopStrings.requireTexts(stops);
  }

  /**
   * Generates until an end-of-sequence token, a stop string, {@code maxTokens}, or the listener's
   * end. The session then stands before the last token, as after {@link Generator#generate}.
   *
   * @param prompt at least one token; what {@link Tokenizer#encodePrompt} returns starts a text
   * @param maxTokens at least 1
   * @param listener hears all of the completion's text
   * @throws IllegalStateException when the session's context does not have room for {@code
   *     prompt.length + maxTokens - 1} tokens; nothing has been run
   */
  public Completion generate(int[] prompt, int maxTokens, TextListener listener) {
    TextStream stream = new TextStream(tokenizer, prompt);
    StopStrings stopping = new StopStrings(stops);
    StringBuilder text = new StringBuilder();
    boolean[] cancelled = new boolean[1];
    int[] tokens =
        generator.generate(
            prompt,
            maxTokens,
            token -> {
              String certain = stopping.add(stream.add(token));
              text.append(certain);
              cancelled[0] = !listener.accept(certain);
              return !cancelled[0] && !stopping.found();
            });
    int last = tokens[tokens.length - 1];
    String rest = stopping.add(stream.end()) + stopping.end();
    if (!rest.isEmpty()) {
      text.append(rest);
      listener.accept(rest);
    }
    return new Completion(tokens, text.toString(), ending(last, stopping, cancelled[0]));
  }

  private Completion.Ending ending(int last, StopStrings stopping, boolean cancelled) {
    if (stopping.found()) {
      return Completion.Ending.STOP_STRING;
    }
    if (model.config().eosTokenIds().contains(last)) {
      return Completion.Ending.END_OF_SEQUENCE;
    }
    return cancelled ? Completion.Ending.CANCELLED : Completion.Ending.TOKEN_LIMIT;
  }
}
