package bora.converter.cli;

import bora.converter.calibration.BudgetPlanner;
import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.Budget;
import bora.quantizer.Planner;
import bora.quantizer.Profile;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.QuantizationPolicy;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
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

  @Option(
      names = "--bits",
      paramLabel = "B",
      description = "instead of a policy: at most so many bits a weight, spent where it helps most")
  private Double bits;

  @Option(
      names = "--size",
      paramLabel = "S",
      description =
          "instead of a policy: a pack of at most that size, tokenizer files not counted;"
              + " bytes, or with a unit such as 26GB or 24GiB")
  private String size;

  @Option(
      names = "--profile",
      paramLabel = "fast|best",
      defaultValue = "best",
      description = "for a budget: fast encodings alone, or all; default: best")
  private String profile;

  @Option(
      names = "--calibration",
      paramLabel = "C",
      description = "what `bora calibrate` learnt of this checkpoint; docs/fidelity.md")
  private Path calibration;

  /** Whether the user said how to choose encodings. */
  boolean isGiven() {
    return policy != null || bits != null || size != null;
  }

  /** The calibration of a checkpoint, if one was given; the caller closes it. */
  Optional<Calibration> openCalibration(Checkpoint checkpoint) throws IOException {
    return calibration == null
        ? Optional.empty()
        : Optional.of(Calibration.open(calibration, checkpoint.config(), checkpoint.fingerprint()));
  }

  QuantizationPlan plan(
      Checkpoint checkpoint, Optional<Calibration> known, int threads, PrintWriter err)
      throws IOException {
    Usage.require(
        spec,
        Stream.of(policy, bits, size).filter(Objects::nonNull).count() <= 1,
        "--policy, --bits and --size: expected one of them, found several");
    int tensors = checkpoint.config().tensors().size();
    if (bits == null && size == null) {
      QuantizationPolicy rules = rules();
      try (Progress progress = Progress.of(err, "planning", tensors, "tensors")) {
        return Planner.plan(checkpoint, rules, progress);
      }
    }
    Budget budget = budget();
    Profile chosenProfile = Usage.value(() -> Profile.ofId(profile));
    if (known.isEmpty()) {
      err.println(
          "no --calibration: the budget is spread by the weights alone, which is much worse");
    }
    try (Progress progress = Progress.of(err, "planning", tensors, "tensors")) {
      return BudgetPlanner.plan(checkpoint, budget, chosenProfile, known, threads, progress);
    }
  }

  private Budget budget() {
    return bits != null
        ? Usage.value(() -> new Budget.Bits(bits))
        : Usage.value(() -> new Budget.Size(Sizes.parse(size)));
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
