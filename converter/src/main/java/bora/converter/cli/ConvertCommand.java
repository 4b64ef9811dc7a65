package bora.converter.cli;

import bora.converter.Conversion;
import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora convert}: checkpoint and plan to pack. */
@Command(
    name = "convert",
    header = "Encodes a checkpoint into a pack.",
    description = {
      "",
      "Streams every tensor from the checkpoint to the pack in bounded memory. The same checkpoint",
      "and plan give the same bytes on any machine with any number of threads. An existing pack is",
      "replaced only when the new one is whole. Until then the bytes go to OUT.bora.partial, which",
      "Ctrl-C and failures remove unless --resume was given.",
      ""
    },
    mixinStandardHelpOptions = true)
final class ConvertCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "CHECKPOINT", description = CheckpointArgument.DESCRIPTION)
  private Path directory;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "OUT.bora",
      required = true,
      description = "the pack to write")
  private Path output;

  @Option(names = "--plan", paramLabel = "PLAN.json", description = "a plan made by `bora plan`")
  private Path planFile;

  @Option(
      names = "--resume",
      description =
          "continue a conversion that was killed, and keep what is done if this one is"
              + " interrupted or fails")
  private boolean resume;

  @Mixin private PolicyOptions options;
  @Mixin private ThreadOptions threads;

  @Override
  public Integer call() throws IOException {
    Usage.require(
        spec,
        planFile == null || !options.isGiven(),
        "--plan and a policy or budget: expected one of them, found both");
    PrintWriter err = spec.commandLine().getErr();
    try (Checkpoint checkpoint = CheckpointArgument.open(directory, err);
        Calibration calibration = options.openCalibration(checkpoint).orElse(null)) {
      Optional<Calibration> known = Optional.ofNullable(calibration);
      QuantizationPlan plan =
          planFile == null
              ? options.plan(checkpoint, known, threads.count(spec), err)
              : QuantizationPlan.read(planFile, checkpoint.config(), checkpoint.fingerprint());
      Conversion.Leftover leftover =
          resume ? Conversion.Leftover.RESUME : Conversion.Leftover.DISCARD;
      convert(checkpoint, plan, known, output, threads.count(spec), leftover, err);
    }
    return ExitCode.DONE;
  }

  static void convert(
      Checkpoint checkpoint,
      QuantizationPlan plan,
      Optional<Calibration> calibration,
      Path output,
      int threads,
      Conversion.Leftover leftover,
      PrintWriter err)
      throws IOException {
    long bytes = Conversion.workBytes(checkpoint);
    try (Progress progress = Progress.ofBytes(err, "converting", bytes)) {
      Conversion.run(checkpoint, plan, calibration, output, threads, leftover, progress);
    }
    err.println(
        Sizes.format(
            "wrote %s: %s, %.3f bits a weight",
            output, Sizes.of(Files.size(output)), plan.bitsPerWeight()));
  }
}
