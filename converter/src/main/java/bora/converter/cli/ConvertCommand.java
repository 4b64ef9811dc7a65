package bora.converter.cli;

import bora.converter.Conversion;
import bora.converter.PartConversion;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.PackReader;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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

  @Option(
      names = "--resume",
      description =
          "continue a conversion that was killed, and keep what is done if this one is"
              + " interrupted or fails")
  private boolean resume;

  @Option(
      names = "--reuse",
      paramLabel = "OLD.bora",
      description =
          "an earlier pack of this checkpoint: what it encoded alike is copied; may be repeated")
  private List<Path> reused = List.of();

  @Option(
      names = "--part",
      paramLabel = "K/N",
      converter = PartNumber.Converter.class,
      description =
          "encode only the K-th of N parts, to OUT.bora.part-K-of-N, for `bora join`; a part that"
              + " is there already is left as it is")
  private PartNumber part;

  @Mixin private PlanOptions plans;
  @Mixin private ThreadOptions threads;

  @Override
  public Integer call() throws IOException {
    plans.requireOne();
    Usage.require(
        spec,
        part == null || reused.isEmpty(),
        "--part and --reuse: expected one of them, found both");
    PrintWriter err = spec.commandLine().getErr();
    try (Checkpoint checkpoint = CheckpointArgument.open(directory, err);
        Calibration calibration = plans.openCalibration(checkpoint).orElse(null)) {
      Optional<Calibration> known = Optional.ofNullable(calibration);
      QuantizationPlan plan = plans.plan(checkpoint, known, threads.count(spec), err);
      Conversion.Leftover leftover =
          resume ? Conversion.Leftover.RESUME : Conversion.Leftover.DISCARD;
      Conversion.Target target = new Conversion.Target(plan, output);
      if (part != null) {
        convertPart(checkpoint, target, known, leftover, err);
        return ExitCode.DONE;
      }
      convert(checkpoint, List.of(target), known, reused, threads.count(spec), leftover, err);
    }
    return ExitCode.DONE;
  }

  private void convertPart(
      Checkpoint checkpoint,
      Conversion.Target target,
      Optional<Calibration> known,
      Conversion.Leftover leftover,
      PrintWriter err)
      throws IOException {
    String name = "part " + part.number() + " of " + part.count();
    boolean done;
    try (Progress progress = Progress.ofBytes(err, "converting " + name, -1)) {
      done =
          PartConversion.run(
              checkpoint,
              target,
              known,
              part.number(),
              part.count(),
              threads.count(spec),
              leftover,
              progress);
    }
    err.println((done ? "wrote " : "there already: ") + name + " of " + output);
  }

  static void convert(
      Checkpoint checkpoint,
      List<Conversion.Target> targets,
      Optional<Calibration> calibration,
      List<Path> reused,
      int threads,
      Conversion.Leftover leftover,
      PrintWriter err)
      throws IOException {
    List<PackReader> donors = new ArrayList<>();
    long work = Conversion.workBytes(checkpoint, calibration, targets.size());
    try (Progress progress = Progress.ofBytes(err, "converting", work)) {
      for (Path pack : reused) {
        donors.add(PackReader.open(pack));
      }
      Conversion.run(checkpoint, targets, calibration, donors, threads, leftover, progress);
    } finally {
      donors.forEach(PackReader::close);
    }
    for (Conversion.Target target : targets) {
      err.println(
          Sizes.format(
              "wrote %s: %s, %.3f bits a weight",
              target.out(), Sizes.of(Files.size(target.out())), target.plan().bitsPerWeight()));
    }
  }
}
