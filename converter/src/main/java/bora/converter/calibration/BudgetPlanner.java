package bora.converter.calibration;

import bora.converter.Conversion;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import bora.formats.pack.PackLayout;
import bora.formats.pack.Provenance;
import bora.quantizer.Budget;
import bora.quantizer.BudgetAllocation;
import bora.quantizer.BudgetAllocation.Choice;
import bora.quantizer.FeedbackFactor;
import bora.quantizer.FoldedModel;
import bora.quantizer.Granularity;
import bora.quantizer.PlannedTensor;
import bora.quantizer.Profile;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.SensitivityModel;
import bora.quantizer.WeightSource;
import bora.quantizer.calibration.Calibration;
import bora.quantizer.calibration.ExpertCoverage;
import bora.quantizer.calibration.MomentsSource;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * Plans by budget: what each encoding loses on each tensor, times what that costs the predictions,
 * is spread over the tensors by {@link BudgetAllocation}. Without a calibration a tensor's loss is
 * its squared error relative to its weights, experts counted by how often a router takes them: a
 * guess, and the plan says so.
 */
public final class BudgetPlanner {
  private final Checkpoint checkpoint;
  private final ModelConfig config;
  private final Profile profile;
  private final Granularity granularity;
  private final Optional<Calibration> calibration;
  private final FoldedModel model;
  private final Optional<SensitivityModel> sensitivities;

  private BudgetPlanner(
      Checkpoint checkpoint,
      Profile profile,
      Granularity granularity,
      Optional<Calibration> calibration) {
    this.checkpoint = checkpoint;
    this.config = checkpoint.config();
    this.profile = profile;
    this.granularity = granularity;
    this.calibration = calibration;
    MomentsSource moments = calibration.isPresent() ? calibration.get() : MomentsSource.NONE;
    model = new FoldedModel(config, key -> WeightSource.of(checkpoint.tensor(key)), moments);
    sensitivities =
        calibration
            .filter(known -> !known.sensitivities().isEmpty())
            .map(known -> SensitivityModel.of(config, known.sensitivities()));
  }

  /**
   * Plans a checkpoint for several budgets, measuring what encodings lose once for all.
   *
   * @param calibration of this checkpoint
   * @param tensors hears of tensors
   * @return a plan for each budget, in order
   * @throws IOException also when a budget is too small, naming the smallest
   */
  public static List<QuantizationPlan> plan(
      Checkpoint checkpoint,
      List<Budget> budgets,
      Profile profile,
      Granularity granularity,
      Optional<Calibration> calibration,
      int threads,
      ProgressListener tensors)
      throws IOException {
    BudgetPlanner planner = new BudgetPlanner(checkpoint, profile, granularity, calibration);
    SequencedMap<TensorKey, List<Choice>> choices = planner.choices(threads, tensors);
    List<QuantizationPlan> plans = new ArrayList<>();
    for (Budget budget : budgets) {
      plans.add(planner.plan(budget, choices));
    }
    return plans;
  }

  private QuantizationPlan plan(Budget budget, SequencedMap<TensorKey, List<Choice>> choices)
      throws IOException {
    String name =
        budget
            + ", "
            + profile.id()
            + (granularity == Granularity.TENSOR ? "" : ", by " + granularity.id())
            + (sensitivities.isPresent() ? ", calibrated" : ", by weights alone");
    SizePrediction size = new SizePrediction(budget, name);
    long budgetBytes =
        switch (budget) {
          case Budget.Bits(double bits) -> (long) (bits * config.parameterCount() / Byte.SIZE);
          case Budget.Size(long bytes) -> bytes;
        };
    long smallest = BudgetAllocation.smallest(choices, granularity, size::of);
    if (smallest > budgetBytes) {
      throw new IOException(
          checkpoint.path()
              + ": budget too small for the profile "
              + profile.id()
              + ": expected at least "
              + smallest
              + " bytes, found "
              + budgetBytes);
    }
    SequencedMap<TensorKey, Choice> chosen =
        BudgetAllocation.allocate(choices, granularity, size::of, budgetBytes);
    return new QuantizationPlan(
        name,
        checkpoint.fingerprint(),
        sensitivities.isPresent() ? calibration.map(Calibration::sha256) : Optional.empty(),
        config,
        planned(chosen, choices));
  }

  private List<PlannedTensor> planned(
      Map<TensorKey, Choice> chosen, Map<TensorKey, List<Choice>> choices) {
    List<PlannedTensor> planned = new ArrayList<>();
    for (Map.Entry<TensorKey, TensorShape> tensor : config.tensors().entrySet()) {
      TensorKey key = tensor.getKey();
      Encoding encoding = chosen.get(key).encoding();
      String reason = reason(key, chosen.get(key), choices.get(key));
      planned.add(new PlannedTensor(key, tensor.getValue(), encoding, reason));
    }
    return planned;
  }

  private SequencedMap<TensorKey, List<Choice>> choices(int threads, ProgressListener tensors)
      throws IOException {
    SequencedMap<TensorKey, Map<Encoding, Double>> losses = losses(threads, tensors);
    SequencedMap<TensorKey, List<Choice>> choices = new LinkedHashMap<>();
    for (Map.Entry<TensorKey, TensorShape> tensor : config.tensors().entrySet()) {
      TensorKey key = tensor.getKey();
      choices.put(key, choices(key, tensor.getValue(), losses.getOrDefault(key, Map.of())));
    }
    return choices;
  }

  /** As the calibration has them, else measured now. */
  private SequencedMap<TensorKey, Map<Encoding, Double>> losses(
      int threads, ProgressListener tensors) throws IOException {
    if (sensitivities.isPresent() && !calibration.orElseThrow().losses().isEmpty()) {
      tensors.advance(config.tensors().size());
      return calibration.orElseThrow().losses();
    }
    return EncodingLosses.measure(
        config, model, this::factor, profile.encodings(), threads, tensors);
  }

  private FeedbackFactor factor(TensorKey key) throws IOException {
    return sensitivities.isPresent()
        ? model.factor(key)
        : FeedbackFactor.identity(checkpoint.tensor(key).shape().columns());
  }

  private List<Choice> choices(TensorKey key, TensorShape shape, Map<Encoding, Double> losses)
      throws IOException {
    Encoding exact = model.weights(key).exactEncoding();
    double perLoss = key.role().isExact() ? 0 : perLoss(key);
    List<Choice> choices = new ArrayList<>();
    choices.add(new Choice(exact, exact.encodedBytes(shape), 0));
    losses.forEach(
        (encoding, loss) -> {
          if (profile.encodings().contains(encoding)) {
            choices.add(new Choice(encoding, encoding.encodedBytes(shape), perLoss * loss));
          }
        });
    return choices;
  }

  private double perLoss(TensorKey key) throws IOException {
    if (sensitivities.isPresent()) {
      return sensitivities.get().perLoss(key);
    }
    WeightSource source = model.weights(key);
    float[] row = new float[source.shape().columns()];
    double squares = 0;
    for (int r = 0; r < source.shape().rows(); r++) {
      source.readRows(r, 1, row, 0);
      for (float value : row) {
        squares += (double) value * value;
      }
    }
    double use = key.expert() < 0 ? 1 : (double) config.expertsPerToken() / config.expertCount();
    return squares > 0 ? use / squares : 0;
  }

  private String reason(TensorKey key, Choice chosen, List<Choice> choices) {
    if (key.role().isExact()) {
      return "always exact";
    }
    if (sensitivities.isEmpty()) {
      return "budget by weights alone, uncalibrated: relative error "
          + String.format(Locale.ROOT, "%.2e", chosen.divergence());
    }
    String reason = String.format(Locale.ROOT, "predicted %.2e nats", chosen.divergence());
    Optional<Choice> coarser =
        choices.stream()
            .filter(choice -> choice.bytes() < chosen.bytes())
            .max(java.util.Comparator.comparingLong(Choice::bytes));
    if (coarser.isPresent()) {
      reason +=
          String.format(
              Locale.ROOT,
              ", %.2e in %s",
              coarser.get().divergence(),
              coarser.get().encoding().jsonName());
    }
    return reason + seen(key);
  }

  private String seen(TensorKey key) {
    if (key.role().scope() != TensorRole.Scope.EXPERT) {
      return "";
    }
    ExpertCoverage coverage =
        calibration.orElseThrow().coverage().stream()
            .filter(expert -> expert.layer() == key.layer() && expert.expert() == key.expert())
            .findFirst()
            .orElseThrow();
    return coverage.tokens() == 0
        ? "; never seen: rounded without feedback"
        : "; " + coverage.tokens() + " tokens seen";
  }

  /** How large the pack, or its tensors, will be. */
  private final class SizePrediction {
    /** More than the digits of a manifest's numbers can vary by, a tensor. */
    private static final int SLACK_BYTES = 4;

    private final Budget budget;
    private final Provenance provenance;
    private long manifestBytes = -1;

    SizePrediction(Budget budget, String planName) throws IOException {
      this.budget = budget;
      provenance = Conversion.expectedProvenance(checkpoint, planName, calibration.isPresent());
    }

    long of(Map<TensorKey, Encoding> encodings) {
      PackLayout layout = PackLayout.of(config, encodings, new TreeMap<>());
      if (budget instanceof Budget.Bits) {
        return layout.weightBytes();
      }
      if (manifestBytes < 0) {
        manifestBytes =
            layout.fileBytes(provenance)
                - layout.manifestOffsetBytes()
                + (long) SLACK_BYTES * encodings.size();
      }
      return layout.manifestOffsetBytes() + manifestBytes;
    }
  }
}
