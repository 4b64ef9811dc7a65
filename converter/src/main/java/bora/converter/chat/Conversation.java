package bora.converter.chat;

import bora.formats.json.StrictJson;
import bora.runtime.Model;
import bora.runtime.Sampling;
import bora.runtime.Session;
import bora.runtime.text.Completion;
import bora.runtime.text.TextGenerator;
import bora.runtime.text.TextListener;
import bora.runtime.text.Tokenizer;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A conversation of a person and a model. Every answer is a continuation of the whole conversation,
 * rendered by the template; what of it the session has already run is not run again.
 */
public final class Conversation {
  private final Model model;
  private final Tokenizer tokenizer;
  private final ChatTemplate template;
  private final Sampling sampling;
  private final Session session;
  private final List<Message> messages = new ArrayList<>();
  private TextGenerator generator;

  /** The tokens that the session has run. */
  private int[] run = new int[0];

  /**
   * @param session of the model, for this conversation alone; its context limits it, answers
   *     included
   */
  public Conversation(
      Model model, Session session, Tokenizer tokenizer, ChatTemplate template, Sampling sampling) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.template = template;
    this.sampling = sampling;
    this.session = session;
    reset();
  }

  /**
   * Answers a message.
   *
   * @param maxTokens the longest answer; it is shorter where the context ends before
   * @param listener hears the answer
   * @throws TemplateException when the template cannot render the conversation, or it fills the
   *     context; the message is forgotten
   */
  public Completion answer(String text, int maxTokens, TextListener listener)
      throws TemplateException {
    messages.add(new Message(Message.USER, text));
    int[] prompt;
    try {
      prompt = prompt();
    } catch (TemplateException e) {
      messages.removeLast();
      throw e;
    }
    int[] rest = Arrays.copyOfRange(prompt, rewind(prompt), prompt.length);
    int room = session.contextTokens() - prompt.length + 1;
    Completion completion = generator.generate(rest, Math.min(maxTokens, room), listener);
    int[] tokens = completion.tokens();
    run = Arrays.copyOf(prompt, prompt.length + tokens.length - 1);
    System.arraycopy(tokens, 0, run, prompt.length, tokens.length - 1);
    messages.add(new Message(Message.ASSISTANT, completion.text()));
    return completion;
  }

  private int[] prompt() throws TemplateException {
    int[] prompt = tokenizer.encode(template.render(messages));
    if (prompt.length == 0 || prompt.length >= session.contextTokens()) {
      throw template.refuse(
          "expected 1 to "
              + (session.contextTokens() - 1)
              + " tokens for a context of "
              + session.contextTokens()
              + ", found "
              + prompt.length);
    }
    return prompt;
  }

  /** How many tokens of the prompt the session has run; all others it has forgotten. */
  private int rewind(int[] prompt) {
    boolean continues =
        run.length < prompt.length && Arrays.equals(run, 0, run.length, prompt, 0, run.length);
    if (!continues) {
      startOver();
    }
    return run.length;
  }

  private void startOver() {
    session.reset();
    run = new int[0];
    generator = new TextGenerator(model, session, tokenizer, sampling, List.of());
  }

  /** Forgets everything. */
  public void reset() {
    messages.clear();
    startOver();
  }

  /** What was said, in order and exactly: an answer may begin with a space. */
  public List<Message> messages() {
    return List.copyOf(messages);
  }

  /**
   * Writes what was said as JSON: a list of {@code {"role", "content"}}, as chat interfaces have
   * it, without white space around.
   *
   * @throws java.nio.file.FileAlreadyExistsException when there is such a file
   */
  public void save(Path file) throws IOException {
    ArrayNode turns = StrictJson.newObject().putArray("messages");
    for (Message message : messages) {
      turns.addObject().put("role", message.role()).put("content", message.content().strip());
    }
    Files.write(file, StrictJson.toIndentedBytes(turns), StandardOpenOption.CREATE_NEW);
  }
}
