package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.Build;
import bora.formats.json.StrictJson;
import bora.formats.pack.PackReader;
import bora.runtime.Generator;
import bora.runtime.Model;
import bora.runtime.Sampling;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora generate}: lets a pack continue a prompt. */
@Command(
    name = "generate",
    header = "Continues a prompt, token by token.",
    description = {"", "Greedy unless a temperature is given.", ""},
    mixinStandardHelpOptions = true)
final class GenerateCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "PACK", description = "the pack to run")
  private Path packFile;

  @Option(
      names = "--tokens",
      paramLabel = "1,2,3",
      split = ",",
      required = true,
      description = "the prompt's token ids")
  private int[] prompt;

  @Option(
      names = "-n",
      paramLabel = "N",
      defaultValue = "32",
      description = "most tokens to generate; default ${DEFAULT-VALUE}")
  private int count;

  @Option(
      names = "--temperature",
      paramLabel = "X",
      description = "draw from the softmax of logits divided by X")
  private Double temperature;

  @Option(
      names = "--seed",
      paramLabel = "S",
      defaultValue = "0",
      description = "of the draws; equal seeds give equal tokens; default ${DEFAULT-VALUE}")
  private long seed;

  @Option(names = "--json", description = "one JSON document on standard output")
  private boolean json;

  @Override
  public Integer call() throws IOException {
    Usage.require(spec, count >= 1, "-n: expected at least 1, found " + count);
    Usage.require(
        spec,
        temperature == null || (temperature > 0 && Double.isFinite(temperature)),
        "--temperature: expected a number above 0, found " + temperature);
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    try (PackReader pack = PackReader.open(packFile);
        Model model = Build.open(pack)) {
      requireTokens(pack.config().vocabSize());
      err.println("kernels: " + model.kernels());
      long context = (long) prompt.length + count;
      requireContext(context, pack.config().maxPositionEmbeddings());
      Sampling sampling =
          temperature == null ? new Sampling.Greedy() : new Sampling.Temperature(temperature, seed);
      Generator generator =
          new Generator(model, model.newSession(Math.toIntExact(context)), sampling);
      int[] tokens = generator.generate(prompt, count, token -> show(out, token));
      finish(out, tokens);
    }
    return ExitCode.DONE;
  }

  private void requireTokens(int vocabSize) {
    for (int token : prompt) {
      Usage.require(
          spec,
          token >= 0 && token < vocabSize,
          "--tokens: expected ids below the vocabulary of " + vocabSize + ", found " + token);
    }
  }

  private void requireContext(long context, int most) {
    Usage.require(
        spec,
        context <= most,
        "prompt and -n: expected at most the model's context of " + most + ", found " + context);
  }

  /** Says that generation goes on. */
  private boolean show(PrintWriter out, int token) {
    if (!json) {
      out.print(token + " ");
      out.flush();
    }
    return true;
  }

  private void finish(PrintWriter out, int[] tokens) {
    if (json) {
      ObjectNode root = StrictJson.newObject();
      Arrays.stream(prompt).forEach(root.putArray("prompt")::add);
      Arrays.stream(tokens).forEach(root.putArray("tokens")::add);
      out.print(new String(StrictJson.toIndentedBytes(root), UTF_8));
    } else {
      out.println();
    }
    out.flush();
  }
}
