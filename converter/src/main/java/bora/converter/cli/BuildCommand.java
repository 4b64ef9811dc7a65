package bora.converter.cli;

import bora.converter.Build;
import bora.converter.Conversion;
import bora.converter.ModelDescription;
import bora.converter.release.GateReport;
import bora.converter.release.ReleaseName;
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
import bora.verifier.report.ReportFormat;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
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
      "directory, else against the naive reference model on a few windows, and says which. The",
      "report is written beside the pack, as PACK.report.json. With --bits several times one pack"
          + " is",
      "made for each; OUT is then a directory, and a pack is called CHECKPOINT-4.5bpw.bora.",
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
      paramLabel = "OUT",
      required = true,
      description = "the pack to write, or a directory for packs with names of their own")
  private Path output;

  @Option(
      names = "--reuse",
      paramLabel = "OLD.bora",
      description =
          "an earlier pack of this checkpoint: what it encoded alike is copied; may be repeated")
  private List<Path> reused = List.of();

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
    PrintWriter err = spec.commandLine().getErr();
    try (Checkpoint checkpoint = CheckpointArgument.open(directory, err);
        Calibration calibration = options.openCalibration(checkpoint).orElse(null)) {
      Optional<Calibration> known = Optional.ofNullable(calibration);
      SequencedMap<String, QuantizationPlan> plans =
          options.plans(checkpoint, known, threads.count(spec), err);
      Usage.require(
          spec,
          plans.size() == 1 || !(verification.hasReports() || verification.json()),
          "--report and --json: expected one pack, found several; each has its report beside it");
      List<Conversion.Target> targets = targets(plans);
      targets.forEach(target -> err.print(PlanTable.render(target.plan())));
      ConvertCommand.convert(
          checkpoint,
          targets,
          known,
          reused,
          threads.count(spec),
          Conversion.Leftover.DISCARD,
          err);
      int exitCode = ExitCode.DONE;
      for (Conversion.Target target : targets) {
        exitCode = Math.max(exitCode, verify(checkpoint, target.out(), err));
      }
      return exitCode;
    }
  }

  private List<Conversion.Target> targets(SequencedMap<String, QuantizationPlan> plans)
      throws IOException {
    if (plans.size() == 1 && !Files.isDirectory(output)) {
      return List.of(new Conversion.Target(plans.firstEntry().getValue(), output));
    }
    Files.createDirectories(output);
    String model = ReleaseName.plain(directory.toRealPath().getFileName().toString());
    return plans.entrySet().stream()
        .map(
            plan ->
                new Conversion.Target(
                    plan.getValue(), output.resolve(ReleaseName.ofPack(model, plan.getKey()))))
        .toList();
  }

  /** Verifies one pack, and says what memory it needs; returns the exit code. */
  private int verify(Checkpoint checkpoint, Path file, PrintWriter err) throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    try (PackReader pack = PackReader.open(file);
        Model model = Build.open(pack)) {
      VerificationReport report = verify(checkpoint, pack, model, err);
      int exitCode = verification.publish(report, pack, out, err);
      Files.write(GateReport.beside(file), ReportFormat.JSON.write(report, pack));
      if (!verification.json()) {
        out.println();
        printMemory(out, pack);
        out.flush();
      }
      return exitCode;
    }
  }

  private VerificationReport verify(
      Checkpoint checkpoint, PackReader pack, Model model, PrintWriter err) throws IOException {
    Optional<Path> recorded =
        reference == null ? Build.recordedReference(directory) : Optional.of(reference);
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
            pack.path().toString(),
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
