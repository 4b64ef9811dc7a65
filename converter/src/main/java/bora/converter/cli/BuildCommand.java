package bora.converter.cli;

import bora.converter.Build;
import bora.converter.Conversion;
import bora.converter.ModelDescription;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.PackReader;
import bora.quantizer.PlanTable;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.calibration.Calibration;
import bora.runtime.Model;
import bora.runtime.memory.ActivationType;
import bora.runtime.memory.GpuSize;
import bora.runtime.memory.MemoryRequest;
import bora.verifier.Reference;
import bora.verifier.VerificationReport;
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

/** {@code bora build}: checkpoint in, verified pack out. */
@Command(
    name = "build",
    header = "Makes a verified pack of a checkpoint: plan, convert, verify, estimate.",
    description = {
      "",
      "Verifies against --reference, else against a reference.safetensors in the checkpoint's",
      "directory, else against the naive reference model on a few windows, and says which.",
      ""
    },
    mixinStandardHelpOptions = true)
final class BuildCommand implements Callable<Integer> {
  private static final int ESTIMATED_CONTEXT = 4096;

  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "CHECKPOINT", description = CheckpointArgument.DESCRIPTION)
  private Path directory;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "OUT.bora",
      required = true,
      description = "the pack to write")
  private Path output;

  @Option(
      names = "--reference",
      paramLabel = "REF.safetensors",
      description = "what another implementation recorded")
  private Path reference;

  @Mixin private PolicyOptions options;
  @Mixin private ThreadOptions threads;
  @Mixin private VerificationOutput verification;

  @Override
  public Integer call() throws IOException {
    verification.requireWritable();
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    try (Checkpoint checkpoint = CheckpointArgument.open(directory, err);
        Calibration calibration = options.openCalibration(checkpoint).orElse(null)) {
      Optional<Calibration> known = Optional.ofNullable(calibration);
      QuantizationPlan plan = options.plan(checkpoint, known, threads.count(spec), err);
      err.print(PlanTable.render(plan));
      ConvertCommand.convert(
          checkpoint, plan, known, output, threads.count(spec), Conversion.Leftover.DISCARD, err);
      try (PackReader pack = PackReader.open(output);
          Model model = Build.open(pack)) {
        VerificationReport report = verify(checkpoint, pack, model, err);
        int exitCode = verification.publish(report, pack, out, err);
        if (!verification.json()) {
          out.println();
          printMemory(out, pack);
          out.flush();
        }
        return exitCode;
      }
    }
  }

  private VerificationReport verify(
      Checkpoint checkpoint, PackReader pack, Model model, PrintWriter err) throws IOException {
    Optional<Path> recorded =
        Optional.ofNullable(reference).or(() -> Build.recordedReference(directory));
    if (recorded.isPresent()) {
      err.println("verifying against the recorded reference " + recorded.get());
      try (Reference opened = Reference.open(recorded.get())) {
        return verification.verify(
            pack, model, opened, Optional.of(checkpoint), Optional.empty(), err);
      }
    }
    err.println(
        "found no recorded reference: verifying against the naive reference model of the"
            + " checkpoint, on a few short windows");
    try (Progress tensors = Progress.of(err, "computing the reference", -1, "tensors");
        Reference computed = Build.sampledReference(checkpoint, model, tensors)) {
      return verification.verify(
          pack, model, computed, Optional.of(checkpoint), Optional.empty(), err);
    }
  }

  private void printMemory(PrintWriter out, PackReader pack) {
    ModelDescription model =
        new ModelDescription(
            output.toString(),
            ModelDescription.Kind.PACK,
            pack.config(),
            Optional.of(pack.manifest().weightBytes()));
    long context = Math.min(ESTIMATED_CONTEXT, pack.config().maxPositionEmbeddings());
    MemoryRequest request =
        new MemoryRequest(
            pack.config(), pack.manifest().weightBytes(), ActivationType.BF16, context, 1);
    MemoryTable.print(out, ModelMemory.of(model.title(), request, GpuSize.DEFAULTS));
  }
}
