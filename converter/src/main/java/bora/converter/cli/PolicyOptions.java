package bora.converter.cli;

import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.QuantizationPolicy;
import java.io.IOException;
import java.io.PrintWriter;
import picocli.CommandLine.Option;

/** How a plan is chosen: the options that {@code plan}, {@code convert} and {@code build} share. */
final class PolicyOptions {
  static final String DEFAULT_POLICY = "balanced";

  @Option(
      names = "--policy",
      paramLabel = "P",
      description =
          "f32, bf16, q8, q6, q4, balanced (the default), or a JSON file of rules;"
              + " docs/policies.md")
  String policy;

  QuantizationPlan plan(Checkpoint checkpoint, PrintWriter err) throws IOException {
    QuantizationPolicy rules = QuantizationPolicy.of(policy == null ? DEFAULT_POLICY : policy);
    int tensors = checkpoint.config().tensors().size();
    try (Progress progress = Progress.of(err, "planning", tensors, "tensors")) {
      return Planner.plan(checkpoint, rules, progress);
    }
  }
}
