package bora.converter.cli;

import bora.converter.ToolVersion;
import bora.formats.ProgressListener;
import bora.formats.Sha256;
import bora.formats.checkpoint.Checkpoint;
import bora.verifier.BundleWriter;
import bora.verifier.ComputedReference;
import bora.verifier.ReferenceModel;
import bora.verifier.WeightSource;
import bora.verifier.WindowsProtocol;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora capture}: records what a checkpoint computes, to verify packs against later. */
@Command(
    name = "capture",
    header = "Records what a checkpoint computes as a reference bundle.",
    description = {
      "",
      "Runs the naive reference model. docs/verification.md has the format; verify --reference",
      "reads it, and examples/reference/capture.py writes the same with transformers.",
      ""
    },
    mixinStandardHelpOptions = true)
final class CaptureCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "CHECKPOINT", description = "a checkpoint's directory")
  private Path directory;

  @ArgGroup(multiplicity = "1")
  private TextOrTokens sequences;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "BUNDLE.safetensors",
      required = true,
      description = "the bundle to write")
  private Path output;

  @Option(
      names = "--windows",
      paramLabel = "N",
      defaultValue = "4",
      description = "most windows of the tokens; default ${DEFAULT-VALUE}")
  private int windows;

  @Option(
      names = "--window",
      paramLabel = "T",
      defaultValue = "512",
      description = "tokens of a window; default ${DEFAULT-VALUE}")
  private int window;

  @Option(
      names = "--top",
      paramLabel = "K",
      defaultValue = "" + BundleWriter.DEFAULT_TOP_LOGITS,
      description = "logits to keep of a position; default ${DEFAULT-VALUE}")
  private int top;

  @Option(
      names = "--hidden-samples",
      paramLabel = "P",
      defaultValue = "" + BundleWriter.DEFAULT_HIDDEN_SAMPLES,
      description = "positions of a window whose hidden states to keep; default ${DEFAULT-VALUE}")
  private int hiddenSamples;

  @Override
  public Integer call() throws IOException {
    BundleWriter writer = Usage.value(() -> new BundleWriter(top, hiddenSamples));
    WindowsProtocol protocol = Usage.value(() -> new WindowsProtocol(window, windows));
    PrintWriter err = spec.commandLine().getErr();
    try (Checkpoint checkpoint = CheckpointArgument.open(directory, spec.commandLine().getErr());
        Progress progress = Progress.of(err, "computing the reference", -1, "tensors")) {
      List<int[]> captured =
          ComputedReference.windows(
              sequences.read(directory, protocol.maxTokens()),
              sequences.file(),
              protocol,
              checkpoint.config().bosTokenId());
      writer.write(
          new ReferenceModel(WeightSource.of(checkpoint)),
          captured,
          Map.of(
              "corpusSha256", Sha256.of(sequences.file(), ProgressListener.NONE),
              "versions", "bora " + ToolVersion.current(),
              "model", checkpoint.fingerprint()),
          output,
          progress);
    }
    err.println("wrote " + output + ": " + Sizes.of(Files.size(output)));
    return ExitCode.DONE;
  }
}
