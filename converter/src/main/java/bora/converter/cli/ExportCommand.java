package bora.converter.cli;

import bora.converter.GgufExport;
import bora.formats.pack.PackReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora export}: a pack for other runtimes. */
@Command(
    name = "export",
    header = "Writes a pack's model as GGUF, for llama.cpp.",
    description = {
      "",
      "f32 and bf16 stay as they are, everything encoded becomes Q8_0. GGUF has one type for all",
      "experts of a layer's projection: where a pack's differ, the finest is taken and said.",
      ""
    },
    mixinStandardHelpOptions = true)
final class ExportCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "PACK", description = "a pack")
  private Path pack;

  @Option(
      names = "--gguf",
      paramLabel = "OUT.gguf",
      required = true,
      description = "the GGUF file to write")
  private Path output;

  @Override
  public Integer call() throws IOException {
    PrintWriter err = spec.commandLine().getErr();
    try (PackReader opened = PackReader.open(pack)) {
      GgufExport export = GgufExport.of(opened);
      export.levelled().forEach(line -> err.println("levelled " + line));
      if (!export.hasVocabulary()) {
        err.println("the pack has no tokenizer of sentencepiece's kind: token ids only");
      }
      if (opened.config().slidingWindow().isPresent()) {
        err.println(
            "llama.cpp attends to all tokens, not to a window of "
                + opened.config().slidingWindow().getAsInt());
      }
      try (Progress progress = Progress.of(err, "exporting", export.rowCount(), "rows")) {
        export.write(output, progress);
      }
    }
    err.println(Sizes.format("wrote %s: %s", output, Sizes.of(Files.size(output))));
    return ExitCode.DONE;
  }
}
