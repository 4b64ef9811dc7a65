package bora.converter.cli;

import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.QuantizationPolicy;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** How a plan is chosen: the options that {@code plan}, {@code convert} and {@code build} share. */
final class PolicyOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--policy",
      paramLabel = "P",
      description =
          "f32, bf16, q8, q6, q4, t5 to t1, balanced (the default), or a JSON file of rules;"
              + " docs/policies.md")
  String policy;

  QuantizationPlan plan(Checkpoint checkpoint, PrintWriter err) throws IOException {
    QuantizationPolicy rules = rules();
    int tensors = checkpoint.config().tensors().size();
    try (Progress progress = Progress.of(err, "planning", tensors, "tensors")) {
      return Planner.plan(checkpoint, rules, progress);
    }
  }

  private QuantizationPolicy rules() throws IOException {
    if (policy == null) {
      return QuantizationPolicy.balanced();
    }
    if (QuantizationPolicy.NAMES.contains(policy)) {
      return QuantizationPolicy.named(policy);
    }
    Path file = Path.of(policy);
    Usage.require(
        spec,
        policy.endsWith(".json") || Files.exists(file),
        "--policy: expected one of "
            + QuantizationPolicy.NAMES
            + " or a JSON file of rules, found "
            + policy);
    return QuantizationPolicy.read(file);
  }
}
