package bora.converter.cli;

import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** A plan's file, or how to make the plan: what {@code convert} and {@code join} share. */
final class PlanOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandLine.Model.CommandSpec spec;

  @Option(names = "--plan", paramLabel = "PLAN.json", description = "a plan made by `bora plan`")
  private Path file;

  @Mixin private PolicyOptions policy;

  /** Complains about a plan that is named and described at once. */
  void requireOne() {
    Usage.require(
        spec,
        file == null || !policy.isGiven(),
        "--plan and a policy or budget: expected one of them, found both");
  }

  Optional<Calibration> openCalibration(Checkpoint checkpoint) throws IOException {
    return policy.openCalibration(checkpoint);
  }

  QuantizationPlan plan(
      Checkpoint checkpoint, Optional<Calibration> known, int threads, PrintWriter err)
      throws IOException {
    return file == null
        ? policy.plan(checkpoint, known, threads, err)
        : QuantizationPlan.read(file, checkpoint.config(), checkpoint.fingerprint());
  }
}
