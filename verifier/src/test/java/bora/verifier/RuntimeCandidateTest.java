package bora.verifier;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackReader;
import bora.runtime.Model;
import bora.runtime.RuntimeOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The runtime on float32 packs, against the naive model and against what transformers recorded. */
final class RuntimeCandidateTest {
  @TempDir private Path directory;

  static List<ModelConfig> configs() {
    return List.of(RandomWeights.MIXTRAL, RandomWeights.MISTRAL, RandomWeights.TIED);
  }

  @ParameterizedTest
  @MethodSource("configs")
  void passesAFloat32Pack(ModelConfig config) throws IOException {
    RandomWeights weights = new RandomWeights(config, 11);
    VerificationReport report =
        withCandidate(
            weights,
            candidate ->
                MutationTest.verify(weights, candidate, Gate.defaultFor(candidate.pack())));
    assertEquals(List.of(), MutationTest.failed(report), report.metrics()::toString);
    assertEquals("default, exact", report.gate());
  }

  @Test
  void failsAPackWhoseExpertsStandInEachOthersPlace() throws IOException {
    RandomWeights weights = new RandomWeights(RandomWeights.MIXTRAL, 11);
    VerificationReport report =
        withCandidate(
            AlteredWeights.swapExperts(weights, 1, 0, 5),
            candidate ->
                MutationTest.verify(weights, candidate, Gate.defaultFor(candidate.pack())));
    assertEquals("layer 1 experts 0, 5", report.fault().orElseThrow().toString());
  }

  /** In a layer where the candidate's router is wrong and all else is right. */
  @Test
  void tellsFlipsFromWrongWeights() throws IOException {
    RandomWeights weights = new RandomWeights(RandomWeights.MIXTRAL, 11);
    WeightSource misrouted =
        AlteredWeights.rotateRows(weights, TensorKey.ofLayer(1, TensorRole.ROUTER));
    Map<Metric, Double> flips = reportOf(weights, misrouted).metrics();
    assertTrue(flips.get(Metric.KLD_MEAN_FLIPS) > 0.1, flips::toString);
    assertTrue(
        flips.get(Metric.KLD_MEAN_IMPOSED_ROUTING) < flips.get(Metric.KLD_MEAN), flips::toString);
    WeightSource wrongHead =
        AlteredWeights.rotateRows(weights, TensorKey.ofModel(TensorRole.LM_HEAD));
    Map<Metric, Double> values = reportOf(weights, wrongHead).metrics();
    assertEquals(0.0, values.get(Metric.KLD_MEAN_FLIPS));
    assertEquals(values.get(Metric.KLD_MEAN), values.get(Metric.KLD_MEAN_IMPOSED_ROUTING));
    assertEquals(1.0, values.get(Metric.ROUTER_ORDER_AGREEMENT));
  }

  @Test
  void countsFlipsByTheReferencesMargin() throws IOException {
    RandomWeights weights = new RandomWeights(RandomWeights.MIXTRAL, 11);
    VerificationReport report =
        reportOf(
            weights, AlteredWeights.rotateRows(weights, TensorKey.ofLayer(1, TensorRole.ROUTER)));
    List<MarginBin> bins = report.routerMargins();
    double decisions = bins.stream().mapToLong(MarginBin::decisions).sum();
    double flips = bins.stream().mapToLong(MarginBin::flips).sum();
    assertEquals(3 * 8 * 32, decisions);
    assertEquals(report.metrics().get(Metric.ROUTER_FLIPS), flips);
  }

  private VerificationReport reportOf(WeightSource right, WeightSource packed) throws IOException {
    return withCandidate(
        packed,
        candidate -> MutationTest.verify(right, candidate, Gate.defaultFor(candidate.pack())));
  }

  @Test
  void namesTheExpertThatCostsMost() throws IOException {
    RandomWeights weights = new RandomWeights(RandomWeights.MIXTRAL, 11);
    TensorKey wrong = TensorKey.ofExpert(1, 3, TensorRole.EXPERT_DOWN);
    VerificationReport report =
        withCandidate(
            AlteredWeights.rotateRows(weights, wrong),
            candidate -> replaceExperts(weights, candidate));
    assertEquals(ExpertReplacement.count(weights.config()), report.experts().size(), "all experts");
    ExpertShare worst = report.experts().getFirst();
    assertEquals(1, worst.layer());
    assertEquals(3, worst.expert());
    assertEquals(0, worst.divergence(), 1e-6, "nothing else is wrong");
    assertTrue(worst.saved() > 0.01, worst::toString);
    assertEquals(0, report.experts().get(1).saved(), 1e-6, "all others are right");
  }

  static VerificationReport replaceExperts(WeightSource right, RuntimeCandidate candidate)
      throws IOException {
    return Verification.run(
        candidate,
        MutationTest.reference(right),
        Gate.defaultFor(candidate.pack()),
        VerificationOptions.defaults(),
        Optional.of(
            new ExpertReplacement(
                candidate.pack(), right, RuntimeOptions.defaults(), ProgressListener.NONE)),
        ProgressListener.NONE);
  }

  @Test
  void explainsWhereAContinuationParts() throws IOException {
    Path example = Examples.directory("tiny-mixtral");
    try (Checkpoint checkpoint = Checkpoint.open(example);
        Reference outputs = Reference.open(example.resolve("reference.safetensors"))) {
      WeightSource wrong =
          AlteredWeights.rotateRows(
              WeightSource.of(checkpoint), TensorKey.ofExpert(1, 3, TensorRole.EXPERT_DOWN));
      VerificationReport report = withCandidate(wrong, candidate -> run(candidate, outputs));
      GreedyDivergence parted = report.greedyDivergence().orElseThrow();
      assertEquals(report.metrics().get(Metric.GREEDY_MATCHED), parted.step());
      assertTrue(parted.margin() > 0, parted::toString);
      assertTrue(
          parted.tolerance() > 0
              && parted.tolerance()
                  < 4 * Math.sqrt(2) * report.metrics().get(Metric.LOGITS_MAX_ABS),
          parted::toString);
    }
  }

  @Test
  void decodesAPacksWeightsExactly() throws IOException {
    RandomWeights weights = new RandomWeights(RandomWeights.MIXTRAL, 11);
    withCandidate(
        weights,
        candidate -> {
          WeightSource decoded = WeightSource.of(candidate.pack());
          for (TensorKey key : weights.config().tensors().keySet()) {
            assertArrayEquals(weights.tensor(key), AlteredWeights.whole(decoded, key));
          }
          return null;
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"tiny-mistral", "tiny-mixtral"})
  void passesAgainstWhatTransformersRecorded(String name) throws IOException {
    Path example = Examples.directory(name);
    try (Checkpoint checkpoint = Checkpoint.open(example);
        Reference outputs = Reference.open(example.resolve("reference.safetensors"));
        Reference windows = Reference.open(example.resolve("windows.safetensors"));
        Reference bundle = Reference.open(example.resolve("bundle.safetensors"))) {
      withCandidate(
          WeightSource.of(checkpoint),
          candidate -> {
            assertPasses(candidate, outputs);
            assertPasses(candidate, windows);
            assertPasses(candidate, bundle);
            return null;
          });
    }
  }

  private static VerificationReport run(RuntimeCandidate candidate, Reference reference)
      throws IOException {
    return Verification.run(
        candidate,
        reference,
        Gate.defaultFor(candidate.pack()),
        new VerificationOptions(VerificationOptions.DEFAULT_NEAR_TIE_MARGIN, 100, 100),
        ProgressListener.NONE);
  }

  private static void assertPasses(RuntimeCandidate candidate, Reference reference)
      throws IOException {
    VerificationReport report = run(candidate, reference);
    assertEquals(List.of(), MutationTest.failed(report), report.metrics()::toString);
    assertTrue(report.candidate().containsKey("weightsSha256"));
  }

  /** What is done with a candidate while its pack is open. */
  private interface Use<T> {
    T of(RuntimeCandidate candidate) throws IOException;
  }

  private <T> T withCandidate(WeightSource weights, Use<T> use) throws IOException {
    Path file = directory.resolve("model.bora");
    Float32Packs.write(weights, file);
    try (PackReader pack = PackReader.open(file);
        Model model = Model.open(pack, RuntimeOptions.defaults())) {
      return use.of(new RuntimeCandidate(model, pack));
    }
  }
}
