package bora.converter.cli;

import bora.converter.Build;
import bora.converter.chat.ChatTemplate;
import bora.converter.chat.Conversation;
import bora.converter.chat.TemplateException;
import bora.formats.pack.PackReader;
import bora.runtime.Model;
import bora.runtime.Sampling;
import bora.runtime.Session;
import bora.runtime.text.Tokenizer;
import bora.runtime.text.TokenizerFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora chat}: a conversation with an instructed model. */
@Command(
    name = "chat",
    header = "Talks with a model, by its own chat template.",
    description = {
      "",
      "Reads messages from the terminal, or from standard input line by line. A line",
      "that ends with \\ goes on in the next. Ctrl-C ends an answer, Ctrl-D the talk.",
      "",
      "  /reset       forget what was said",
      "  /save FILE   write what was said as JSON",
      ""
    },
    mixinStandardHelpOptions = true)
final class ChatCommand implements Callable<Integer> {
  private static final int DEFAULT_CONTEXT = 4096;
  private static final int MIN_CONTEXT = 16;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "PACK", description = "the pack to run")
  private Path packFile;

  @Option(
      names = "-n",
      paramLabel = "N",
      defaultValue = "512",
      description = "most tokens of an answer; default ${DEFAULT-VALUE}")
  private int count;

  @Option(
      names = "--context",
      paramLabel = "N",
      description = "most tokens of the conversation; default: the model's, at most 4096")
  private Integer context;

  @Mixin private SamplingOptions samplingOptions;

  @Mixin private KvCacheOption kvCache;

  @Mixin private ActivationOptions activationOptions;

  @Override
  public Integer call() throws IOException {
    Usage.require(spec, count >= 1, "-n: expected at least 1, found " + count);
    Sampling sampling = samplingOptions.sampling(spec);
    try (PackReader pack = PackReader.open(packFile);
        Tokenizer tokenizer = Tokenizer.open(TokenizerFiles.of(pack));
        Model model = Build.open(pack, activationOptions.activations);
        ChatInput input = ChatInput.open()) {
      model.warmUp();
      ChatTemplate template = ChatTemplate.open(TokenizerFiles.of(pack));
      int most = pack.config().maxPositionEmbeddings();
      int tokens = context == null ? Math.min(DEFAULT_CONTEXT, most) : context;
      Usage.require(
          spec,
          tokens >= MIN_CONTEXT && tokens <= most,
          "--context: expected " + MIN_CONTEXT + " to the model's " + most + ", found " + tokens);
      try (Session session = model.newSession(tokens, kvCache.type())) {
        talk(input, new Conversation(model, session, tokenizer, template, sampling));
      }
    }
    return ExitCode.DONE;
  }

  private void talk(ChatInput input, Conversation conversation) throws IOException {
    for (Optional<String> line = input.next(); line.isPresent(); line = input.next()) {
      String message = line.get();
      if (message.startsWith("/")) {
        execute(message.strip(), conversation);
      } else if (!message.isBlank()) {
        answerOrRefuse(input, conversation, message);
      }
    }
  }

  /** A message that cannot be answered ends a script, and no conversation of a person. */
  private void answerOrRefuse(ChatInput input, Conversation conversation, String message)
      throws TemplateException {
    try {
      answer(input, conversation, message);
    } catch (TemplateException e) {
      if (!input.isInteractive()) {
        throw e;
      }
      spec.commandLine().getErr().println(e.getMessage() + "; /reset begins anew");
    }
  }

  private void answer(ChatInput input, Conversation conversation, String message)
      throws TemplateException {
    PrintWriter out = spec.commandLine().getOut();
    AtomicBoolean interrupted = new AtomicBoolean();
    input.onInterrupt(() -> interrupted.set(true));
    AtomicBoolean begun = new AtomicBoolean();
    GenerationRate rate = new GenerationRate();
    conversation.answer(
        message,
        count,
        text -> {
          rate.token();
          String shown = begun.get() ? text : text.stripLeading();
          begun.compareAndSet(false, !shown.isEmpty());
          out.print(shown);
          out.flush();
          return !interrupted.get();
        });
    out.println();
    out.flush();
    spec.commandLine().getErr().println("(" + rate + ")");
  }

  private void execute(String command, Conversation conversation) throws IOException {
    PrintWriter err = spec.commandLine().getErr();
    String[] words = command.split("\\s+", 2);
    switch (words[0]) {
      case "/reset" -> conversation.reset();
      case "/save" -> {
        if (words.length < 2) {
          err.println("/save: expected a file");
        } else {
          save(conversation, Path.of(words[1]), err);
        }
      }
      default -> err.println(words[0] + ": expected /reset or /save FILE");
    }
  }

  /** A file that cannot be written ends no conversation. */
  private static void save(Conversation conversation, Path file, PrintWriter err) {
    try {
      conversation.save(file);
      err.println("wrote " + file);
    } catch (FileAlreadyExistsException e) {
      err.println("/save: " + file + ": there is such a file; expected a new one");
    } catch (IOException e) {
      err.println("/save: " + file + ": cannot write: " + e.getMessage());
    }
  }
}
