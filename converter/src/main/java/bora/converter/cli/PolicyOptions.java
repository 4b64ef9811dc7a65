package bora.converter.cli;

import bora.converter.calibration.BudgetPlanner;
import bora.converter.release.ReleaseName;
import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.Budget;
import bora.quantizer.Granularity;
import bora.quantizer.Planner;
import bora.quantizer.Profile;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.QuantizationPolicy;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
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
          "f32, bf16, q8, q6, q5, q4, q3, q2, t5 to t1, balanced (the default), or a JSON file of"
              + " rules; docs/policies.md")
  String policy;

  @Option(
      names = "--bits",
      paramLabel = "B",
      description =
          "instead of a policy: at most so many bits a weight, spent where it helps most; `build`"
              + " takes it several times")
  private List<Double> bits = List.of();

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
      description = "for a budget: all encodings but t1, or all; default: best")
  private String profile;

  @Option(
      names = "--granularity",
      paramLabel = "G",
      defaultValue = "tensor",
      description =
          "for a budget: what shares an encoding: tensor (nothing), expert, projection (of a"
              + " layer), layer, or model; default: ${DEFAULT-VALUE}")
  private String granularity;

  @Option(
      names = "--calibration",
      paramLabel = "C",
      description = "what `bora calibrate` learnt of this checkpoint; docs/fidelity.md")
  private Path calibration;

  /** Whether the user said how to choose encodings. */
  boolean isGiven() {
    return policy != null || !bits.isEmpty() || size != null;
  }

  /** The calibration of a checkpoint, if one was given; the caller closes it. */
  Optional<Calibration> openCalibration(Checkpoint checkpoint) throws IOException {
    return calibration == null
        ? Optional.empty()
        : Optional.of(Calibration.open(calibration, checkpoint.config(), checkpoint.fingerprint()));
  }

  /** The one plan that was asked for. */
  QuantizationPlan plan(
      Checkpoint checkpoint, Optional<Calibration> known, int threads, PrintWriter err)
      throws IOException {
    Usage.require(spec, bits.size() <= 1, "--bits: expected it once, found it several times");
    return plans(checkpoint, known, threads, err).values().iterator().next();
  }

  /** Every plan that was asked for, by the name of its budget or policy, as it stands in files'. */
  SequencedMap<String, QuantizationPlan> plans(
      Checkpoint checkpoint, Optional<Calibration> known, int threads, PrintWriter err)
      throws IOException {
    Usage.require(
        spec,
        Stream.of(policy != null, !bits.isEmpty(), size != null).filter(given -> given).count()
            <= 1,
        "--policy, --bits and --size: expected one of them, found several");
    SequencedMap<String, Budget> budgets = budgets();
    SequencedMap<String, QuantizationPlan> plans = new LinkedHashMap<>();
    int tensors = checkpoint.config().tensors().size();
    if (budgets.isEmpty()) {
      QuantizationPolicy rules = rules();
      try (Progress progress = Progress.of(err, "planning", tensors, "tensors")) {
        plans.put(ReleaseName.plain(rules.name()), Planner.plan(checkpoint, rules, progress));
      }
      return plans;
    }
    Profile chosenProfile = Usage.choice("profile", Profile.values(), Profile::id, profile);
    Granularity shared =
        Usage.choice("granularity", Granularity.values(), Granularity::id, granularity);
    if (known.isEmpty()) {
      err.println(
          "no --calibration: the budget is spread by the weights alone, which is much worse");
    }
    try (Progress progress = Progress.of(err, "planning", tensors, "tensors")) {
      List<Budget> inOrder = List.copyOf(budgets.values());
      List<QuantizationPlan> planned =
          BudgetPlanner.plan(checkpoint, inOrder, chosenProfile, shared, known, threads, progress);
      for (String name : budgets.keySet()) {
        plans.put(name, planned.get(plans.size()));
      }
    }
    return plans;
  }

  private SequencedMap<String, Budget> budgets() {
    SequencedMap<String, Budget> budgets = new LinkedHashMap<>();
    for (double each : bits) {
      budgets.put(ReleaseName.budget(each), Usage.value(() -> new Budget.Bits(each)));
    }
    if (size != null) {
      budgets.put(ReleaseName.plain(size), Usage.value(() -> new Budget.Size(Sizes.parse(size))));
    }
    return budgets;
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
