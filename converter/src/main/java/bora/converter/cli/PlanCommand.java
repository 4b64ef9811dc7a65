package bora.converter.cli;

import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.PlanTable;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora plan}: which tensor would get which encoding. */
@Command(
    name = "plan",
    header = "Decides every tensor's encoding and predicts the bytes, without encoding anything.",
    description = {
      "",
      "Shows the plan; -o also writes it as JSON, to be read, edited and given to convert.",
      ""
    },
    mixinStandardHelpOptions = true)
final class PlanCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "CHECKPOINT", description = CheckpointArgument.DESCRIPTION)
  private Path directory;

  @Mixin private PolicyOptions options;
  @Mixin private ThreadOptions threads;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "PLAN.json",
      description = "where to write the plan")
  private Path output;

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    try (Checkpoint checkpoint = CheckpointArgument.open(directory, spec.commandLine().getErr());
        Calibration calibration = options.openCalibration(checkpoint).orElse(null)) {
      QuantizationPlan plan =
          options.plan(
              checkpoint,
              Optional.ofNullable(calibration),
              threads.count(spec),
              spec.commandLine().getErr());
      if (output != null) {
        plan.write(output);
      }
      out.print(PlanTable.render(plan));
      out.flush();
    }
    return ExitCode.DONE;
  }
}
