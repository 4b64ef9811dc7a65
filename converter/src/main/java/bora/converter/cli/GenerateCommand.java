package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.Build;
import bora.converter.Prompts;
import bora.formats.json.StrictJson;
import bora.formats.pack.PackReader;
import bora.runtime.Generator;
import bora.runtime.Model;
import bora.runtime.Sampling;
import bora.runtime.Session;
import bora.runtime.text.Completion;
import bora.runtime.text.TextGenerator;
import bora.runtime.text.Tokenizer;
import bora.runtime.text.TokenizerFiles;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora generate}: lets a pack continue a prompt. */
@Command(
    name = "generate",
    header = "Continues a prompt, token by token.",
    description = {
      "",
      "Greedy unless a temperature is given. A text is continued with text, a list",
      "of ids with ids. Ends at the model's end-of-sequence token, before a stop",
      "string, after -n tokens, or where the model's context is full; Ctrl-C ends it",
      "earlier.",
      ""
    },
    mixinStandardHelpOptions = true)
final class GenerateCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "PACK", description = "the pack to run")
  private Path packFile;

  @ArgGroup(multiplicity = "1")
  private Prompt prompt;

  @Option(
      names = "-n",
      paramLabel = "N",
      defaultValue = "32",
      description = "most tokens to generate; default ${DEFAULT-VALUE}")
  private int count;

  @Mixin private SamplingOptions samplingOptions;

  @Mixin private KvCacheOption kvCache;

  @Mixin private ActivationOptions activationOptions;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "end before this text; may be repeated")
  private List<String> stops = List.of();

  @Option(names = "--json", description = "one JSON document on standard output")
  private boolean json;

  /** What is continued. */
  static final class Prompt {
    @Option(names = "--prompt", paramLabel = "TEXT", required = true, description = "a text")
    String text;

    @Option(
        names = "--prompt-file",
        paramLabel = "FILE",
        required = true,
        description = "a text in UTF-8; - for standard input")
    Path file;

    @Option(
        names = "--tokens",
        paramLabel = "1,2,3",
        split = ",",
        required = true,
        description = "token ids, exactly as given")
    int[] tokens;
  }

  @Override
  public Integer call() throws IOException {
    Usage.require(spec, count >= 1, "-n: expected at least 1, found " + count);
    Usage.require(
        spec,
        prompt.text == null || !prompt.text.isEmpty(),
        "--prompt: expected a text, found an empty one");
    Usage.require(
        spec, stops.stream().noneMatch(String::isEmpty), "--stop: expected a text, found none");
    Usage.require(
        spec,
        prompt.tokens == null || stops.isEmpty(),
        "--stop: expected --prompt or --prompt-file with it, found --tokens");
    Sampling sampling = samplingOptions.sampling(spec);
    try (PackReader pack = PackReader.open(packFile);
        Model model = Build.open(pack, activationOptions.activations)) {
      model.warmUp();
      if (prompt.tokens != null) {
        requireTokens(pack.config().vocabSize());
        continueTokens(pack, model, sampling);
      } else {
        try (Tokenizer tokenizer = Tokenizer.open(TokenizerFiles.of(pack))) {
          continueText(pack, model, tokenizer, sampling);
        }
      }
    }
    return ExitCode.DONE;
  }

  private void requireTokens(int vocabSize) {
    for (int token : prompt.tokens) {
      Usage.require(
          spec,
          token >= 0 && token < vocabSize,
          "--tokens: expected ids below the vocabulary of " + vocabSize + ", found " + token);
    }
  }

  private void continueTokens(PackReader pack, Model model, Sampling sampling) throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    int most = mostTokens(prompt.tokens, pack);
    GenerationRate rate = new GenerationRate();
    try (Session session = newSession(model, prompt.tokens, most);
        Interruption interruption = new Interruption()) {
      Generator generator = new Generator(model, session, sampling);
      int[] tokens =
          generator.generate(
              prompt.tokens,
              most,
              token -> {
                rate.token();
                show(out, token + " ");
                return !interruption.requested();
              });
      finish(document(prompt.tokens, tokens, rate), model, rate);
      boolean limited =
          tokens.length == most && !pack.config().eosTokenIds().contains(tokens[most - 1]);
      reportContext(limited && most < count, pack);
    }
  }

  private void continueText(PackReader pack, Model model, Tokenizer tokenizer, Sampling sampling)
      throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    int[] tokens = tokenizer.encodePrompt(promptText());
    Prompts.requireVocabulary(tokens, tokenizer, pack);
    int most = mostTokens(tokens, pack);
    GenerationRate rate = new GenerationRate();
    try (Session session = newSession(model, tokens, most);
        Interruption interruption = new Interruption()) {
      TextGenerator generator = new TextGenerator(model, session, tokenizer, sampling, stops);
      Completion completion =
          generator.generate(
              tokens,
              most,
              text -> {
                rate.token();
                show(out, text);
                return !interruption.requested();
              });
      ObjectNode document = document(tokens, completion.tokens(), rate);
      document.put("text", completion.text());
      boolean contextFull = most < count && completion.ending() == Completion.Ending.TOKEN_LIMIT;
      document.put("ending", contextFull ? "contextLimit" : Prompts.nameOf(completion.ending()));
      finish(document, model, rate);
      reportContext(contextFull, pack);
    }
  }

  private String promptText() throws IOException {
    return prompt.text != null ? prompt.text : Prompts.read(prompt.file);
  }

  /** As many as asked for, and as the context holds: the last token is never run. */
  private int mostTokens(int[] tokens, PackReader pack) throws IOException {
    Prompts.requireContext(tokens.length, pack);
    return Math.min(count, pack.config().maxPositionEmbeddings() - tokens.length + 1);
  }

  private Session newSession(Model model, int[] tokens, int most) {
    return model.newSession(tokens.length + most - 1, kvCache.type());
  }

  private void reportContext(boolean full, PackReader pack) {
    if (full) {
      spec.commandLine()
          .getErr()
          .println(
              "ended before -n "
                  + count
                  + ": the model's context of "
                  + pack.config().maxPositionEmbeddings()
                  + " tokens is full");
    }
  }

  private void show(PrintWriter out, String text) {
    if (!json) {
      out.print(text);
      out.flush();
    }
  }

  private static ObjectNode document(int[] prompt, int[] tokens, GenerationRate rate) {
    ObjectNode root = StrictJson.newObject();
    Arrays.stream(prompt).forEach(root.putArray("prompt")::add);
    Arrays.stream(tokens).forEach(root.putArray("tokens")::add);
    root.put("tokensPerSecond", rate.tokensPerSecond());
    return root;
  }

  private void finish(ObjectNode document, Model model, GenerationRate rate) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.print(new String(StrictJson.toIndentedBytes(document), UTF_8));
    } else {
      out.println();
    }
    out.flush();
    spec.commandLine().getErr().println(rate + "; " + model.kernels());
  }
}
