package bora.converter.chat;

import bora.formats.CorruptFileException;
import bora.formats.json.StrictJson;
import bora.runtime.text.TokenizerFiles;
import com.fasterxml.jackson.databind.JsonNode;
import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.el.JinjavaProcessors;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import com.hubspot.jinjava.tree.Node;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A model's chat template, in Jinja as transformers renders it ({@code apply_chat_template} of
 * v4.57): blocks trimmed, {@code bos_token}, {@code eos_token}, {@code messages}, {@code
 * add_generation_prompt} and {@code raise_exception} given. It can read nothing else, and ends
 * after so many steps and so much text.
 */
public final class ChatTemplate {
  private static final String TEMPLATE_FILE = "chat_template.jinja";
  private static final String CONFIG_FILE = "tokenizer_config.json";

  private static final int MAX_CHARS = 1 << 22;
  private static final int MAX_STEPS = 200_000;
  private static final int MAX_ELEMENTS = 1 << 16;
  private static final int MAX_DEPTH = 20;

  private final Path file;
  private final String template;
  private final Map<String, String> tokens;

  private ChatTemplate(Path file, String template, Map<String, String> tokens) {
    this.file = file;
    this.template = template;
    this.tokens = tokens;
  }

  /**
   * Reads a model's template: {@code chat_template.jinja}, else what {@code tokenizer_config.json}
   * has under {@code chat_template}; of several the one named {@code default}.
   *
   * @throws NoSuchFileException when it has none
   */
  public static ChatTemplate open(TokenizerFiles files) throws IOException {
    Path configFile = files.pathOf(CONFIG_FILE);
    Optional<byte[]> configBytes = files.read(CONFIG_FILE);
    JsonNode config =
        configBytes.isPresent()
            ? StrictJson.parseObject(configFile, configBytes.get())
            : StrictJson.newObject();
    Map<String, String> tokens = new HashMap<>();
    tokens.put("bos_token", token(configFile, config, "bos_token"));
    tokens.put("eos_token", token(configFile, config, "eos_token"));
    Optional<byte[]> own = files.read(TEMPLATE_FILE);
    if (own.isPresent()) {
      String template = new String(own.get(), StandardCharsets.UTF_8);
      return new ChatTemplate(files.pathOf(TEMPLATE_FILE), template, tokens);
    }
    return new ChatTemplate(configFile, inConfig(files, configFile, config), tokens);
  }

  /** The text of a special token: a string, or an object with its content. */
  private static String token(Path file, JsonNode config, String name) throws CorruptFileException {
    JsonNode token = config.path(name);
    JsonNode content = token.isObject() ? token.path("content") : token;
    if (content.isTextual()) {
      return content.textValue();
    }
    if (token.isMissingNode() || token.isNull()) {
      return "";
    }
    throw new CorruptFileException(file, name + ": expected a token, found " + token);
  }

  private static String inConfig(TokenizerFiles files, Path file, JsonNode config)
      throws IOException {
    JsonNode template = config.path("chat_template");
    if (template.isArray()) {
      for (JsonNode named : template) {
        if (named.path("name").asText().equals("default")) {
          template = named.path("template");
        }
      }
    }
    if (template.isTextual()) {
      return template.textValue();
    }
    if (template.isMissingNode() || template.isNull()) {
      throw new NoSuchFileException(
          files.origin().toString(),
          null,
          "no chat template: expected "
              + TEMPLATE_FILE
              + ", or chat_template in "
              + CONFIG_FILE
              + "; is the model made for chat? `bora generate` continues any text");
    }
    throw new CorruptFileException(
        file, "chat_template: expected a template or one named default, found " + template);
  }

  /**
   * The prompt for a conversation, special tokens written out.
   *
   * @throws TemplateException when the template is none, refuses the conversation, or does not end
   */
  public String render(List<Message> messages) throws TemplateException {
    int[] steps = new int[1];
    Jinjava jinjava = new Jinjava(config(steps));
    jinjava.setResourceLocator(
        (name, charset, interpreter) -> {
          throw new IOException(name + ": a chat template reads no files");
        });
    jinjava
        .getGlobalContext()
        .registerFunction(
            new ELFunctionDefinition(
                "", "raise_exception", TemplateFunctions.class, "raiseException", String.class));
    RenderResult result = jinjava.renderForResult(withoutLastNewline(), bindings(messages));
    if (steps[0] > MAX_STEPS) {
      throw new TemplateException(
          file, "expected an end within " + MAX_STEPS + " steps, found none; is it endless?");
    }
    if (!result.getErrors().isEmpty()) {
      TemplateError error = result.getErrors().getFirst();
      throw new TemplateException(file, reason(error) + " (line " + error.getLineno() + ")");
    }
    return result.getOutput();
  }

  /** The innermost cause: what a template raises stands there. */
  private static String reason(TemplateError error) {
    Throwable cause = error.getException();
    while (cause != null && cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause == null || cause.getMessage() == null ? error.getMessage() : cause.getMessage();
  }

  /** A complaint about what the template made, to be thrown by the caller. */
  TemplateException refuse(String problem) {
    return new TemplateException(file, problem);
  }

  private Map<String, Object> bindings(List<Message> messages) {
    List<Map<String, String>> turns = new ArrayList<>();
    for (Message message : messages) {
      turns.add(Map.of("role", message.role(), "content", message.content()));
    }
    Map<String, Object> bindings = new HashMap<>(tokens);
    bindings.put("messages", turns);
    bindings.put("add_generation_prompt", true);
    return bindings;
  }

  /** Jinja drops one line feed at a template's end. */
  private String withoutLastNewline() {
    return template.endsWith("\n") ? template.substring(0, template.length() - 1) : template;
  }

  /**
   * @param steps counted up for every node rendered
   */
  private static JinjavaConfig config(int[] steps) {
    return JinjavaConfig.newBuilder()
        .withTrimBlocks(true)
        .withLstripBlocks(true)
        // What a person writes is text, also where it looks like a template.
        .withNestedInterpretationEnabled(false)
        .withDisabled(
            Map.of(
                Context.Library.TAG,
                Set.of("include", "import", "from", "extends", "block", "cycle", "ifchanged")))
        .withMaxOutputSize(MAX_CHARS)
        .withMaxStringLength(MAX_CHARS)
        .withMaxListSize(MAX_ELEMENTS)
        .withMaxMapSize(MAX_ELEMENTS)
        .withMaxRenderDepth(MAX_DEPTH)
        .withProcessors(
            JinjavaProcessors.newBuilder()
                .withNodePreProcessor((node, interpreter) -> countStep(steps, node))
                .build())
        .build();
  }

  private static void countStep(int[] steps, Node node) {
    if (++steps[0] > MAX_STEPS) {
      throw new StepLimitException(node.getLineNumber());
    }
  }

  private static final class StepLimitException extends RuntimeException {
    private static final long serialVersionUID = 1;

    StepLimitException(int line) {
      super("line " + line);
    }
  }
}
