package bora.converter.cli;

import bora.converter.Conversion;
import bora.converter.PartConversion;
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

/** {@code bora join}: the parts of a conversion to a pack. */
@Command(
    name = "join",
    header = "Puts a pack together of the parts that `bora convert --part` made.",
    description = {
      "",
      "Takes the same checkpoint, plan and calibration as the parts; the pack has the same bytes"
          + " as",
      "one of a whole conversion. The parts, which lie beside it, are kept.",
      ""
    },
    mixinStandardHelpOptions = true)
final class JoinCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "CHECKPOINT", description = CheckpointArgument.DESCRIPTION)
  private Path directory;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "OUT.bora",
      required = true,
      description = "the pack to write, as it was named to `bora convert --part`")
  private Path output;

  @Mixin private PlanOptions plans;
  @Mixin private ThreadOptions threads;

  @Override
  public Integer call() throws IOException {
    plans.requireOne();
    PrintWriter err = spec.commandLine().getErr();
    try (Checkpoint checkpoint = CheckpointArgument.open(directory, err);
        Calibration calibration = plans.openCalibration(checkpoint).orElse(null)) {
      Optional<Calibration> known = Optional.ofNullable(calibration);
      QuantizationPlan plan = plans.plan(checkpoint, known, threads.count(spec), err);
      Conversion.Target target = new Conversion.Target(plan, output);
      long work = Conversion.workBytes(checkpoint, known, 1);
      try (Progress progress = Progress.ofBytes(err, "joining", work)) {
        PartConversion.join(checkpoint, target, known, threads.count(spec), progress);
      }
      err.println(
          Sizes.format(
              "wrote %s: %s, %.3f bits a weight",
              output, Sizes.of(Files.size(output)), plan.bitsPerWeight()));
    }
    return ExitCode.DONE;
  }
}
