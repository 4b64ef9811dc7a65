package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.Prompts;
import bora.formats.json.StrictJson;
import bora.runtime.text.Tokenizer;
import bora.runtime.text.TokenizerFiles;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora tokenize}: what a model sees of a text. */
@Command(
    name = "tokenize",
    header = "Shows the tokens of a text: ids and pieces.",
    description = {
      "",
      "The tokens are those of the text alone; a prompt of `bora generate` gets",
      "the model's BOS in front. The model's weights need not be there.",
      ""
    },
    mixinStandardHelpOptions = true)
final class TokenizeCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(index = "0", paramLabel = "MODEL", description = "a pack or a checkpoint")
  private Path model;

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "FILE",
      description = "a text in UTF-8, in place of --text; - for standard input")
  private Path file;

  @Option(names = "--text", paramLabel = "TEXT", description = "the text")
  private String text;

  @Option(names = "--json", description = "one JSON document on standard output")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    Usage.require(spec, text == null ^ file == null, "expected --text or FILE, one of them");
    try (Tokenizer tokenizer = Tokenizer.open(TokenizerFiles.open(model))) {
      String content = text != null ? text : Prompts.read(file);
      int[] tokens = tokenizer.encode(content);
      PrintWriter out = spec.commandLine().getOut();
      if (json) {
        printJson(out, tokenizer, tokens);
      } else {
        print(out, tokenizer, tokens);
      }
      out.flush();
      return ExitCode.DONE;
    }
  }

  private static void print(PrintWriter out, Tokenizer tokenizer, int[] tokens) throws IOException {
    for (int token : tokens) {
      out.println(token + "\t" + tokenizer.piece(token).orElse(""));
    }
  }

  private static void printJson(PrintWriter out, Tokenizer tokenizer, int[] tokens)
      throws IOException {
    ObjectNode root = StrictJson.newObject();
    ArrayNode ids = root.putArray("tokens");
    ArrayNode pieces = root.putArray("pieces");
    for (int token : tokens) {
      ids.add(token);
      pieces.add(tokenizer.piece(token).orElse(""));
    }
    out.print(new String(StrictJson.toIndentedBytes(root), UTF_8));
  }
}
