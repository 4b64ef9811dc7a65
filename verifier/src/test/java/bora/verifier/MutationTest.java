package bora.verifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A verifier that never failed is untested: models broken in known ways, and where. */
final class MutationTest {
  private static final WeightSource MIXTRAL = new RandomWeights(RandomWeights.MIXTRAL, 1);
  private static final WeightSource MISTRAL = new RandomWeights(RandomWeights.MISTRAL, 2);

  /** Enough positions for each of 15 pairs of experts. */
  private static final int WINDOWS = 8;

  private static final int WINDOW_TOKENS = 32;

  /**
   * @param fault what the report must name; empty for nothing
   */
  record Mutation(String name, WeightSource right, Candidate broken, String fault) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Mutation> mutations() {
    TensorKey blamed = TensorKey.ofExpert(1, 3, TensorRole.EXPERT_DOWN);
    TensorKey norm = TensorKey.ofLayer(1, TensorRole.ATTENTION_NORM);
    return Stream.of(
        altered(
            "experts swapped", "layer 1 experts 1, 4", w -> AlteredWeights.swapExperts(w, 1, 1, 4)),
        altered(
            "block of an expert corrupted",
            "layer 1 expert 3",
            w -> AlteredWeights.corruptBlock(w, blamed)),
        altered(
            "an expert's w1 and w3 exchanged",
            "layer 1 expert 3",
            w -> AlteredWeights.exchangeGateAndUp(w, 1, 3)),
        altered(
            "one scale of one block off by one in its exponent",
            "layer 1 expert 3",
            w -> AlteredWeights.scaleBlock(w, blamed, 2)),
        altered(
            "tokens shifted by one",
            "embedding",
            w ->
                AlteredWeights.rotateRows(
                    AlteredWeights.rotateRows(w, TensorKey.ofModel(TensorRole.EMBEDDING)),
                    TensorKey.ofModel(TensorRole.LM_HEAD))),
        altered(
            "router rows rotated",
            "layer 2 or output norm",
            w -> AlteredWeights.rotateRows(w, layer(2, TensorRole.ROUTER))),
        altered(
            "value projection corrupted",
            "layer 1",
            w -> AlteredWeights.corruptBlock(w, layer(1, TensorRole.VALUE))),
        altered(
            "embedding corrupted",
            "embedding",
            w -> AlteredWeights.rotateRows(w, TensorKey.ofModel(TensorRole.EMBEDDING))),
        altered(
            "lm_head rows permuted",
            "",
            w -> AlteredWeights.rotateRows(w, TensorKey.ofModel(TensorRole.LM_HEAD))),
        mixtral(
            "routing weights dropped", "layer 0", w -> BrokenModels.unweighted(w, Set.of(0, 1, 2))),
        mixtral(
            "routing weights dropped in a layer",
            "layer 1",
            w -> BrokenModels.unweighted(w, Set.of(1))),
        mixtral(
            "routing weights not renormalised", "layer 1", w -> BrokenModels.notRenormalised(w, 1)),
        mixtral("one expert instead of two", "layer 0", w -> BrokenModels.oneExpertTooFew(w, 0)),
        mixtral(
            "queries rotated one position too far",
            "layer 1",
            w -> BrokenModels.shiftedQueries(w, 1)),
        mixtral("wrong theta", "layer 0", BrokenModels::wrongTheta),
        mixtral("attention norm dropped", "layer 1", w -> BrokenModels.normDropped(w, norm)),
        mixtral(
            "output norm dropped",
            "layer 2 or output norm",
            w -> BrokenModels.normDropped(w, TensorKey.ofModel(TensorRole.OUTPUT_NORM))),
        mixtral("key heads in turn", "layer 0", BrokenModels::headsInTurn),
        mistral("sliding window ignored", "layer 0", BrokenModels::windowIgnored),
        mistral("sliding window one too long", "layer 0", BrokenModels::windowTooLongByOne));
  }

  private static TensorKey layer(int layer, TensorRole role) {
    return TensorKey.ofLayer(layer, role);
  }

  private static Mutation altered(
      String name, String fault, Function<WeightSource, WeightSource> alteration) {
    return mixtral(name, fault, weights -> new ReferenceModel(alteration.apply(weights)));
  }

  private static Mutation mixtral(
      String name, String fault, Function<WeightSource, ReferenceModel> broken) {
    return new Mutation(name, MIXTRAL, NaiveCandidate.of(broken.apply(MIXTRAL)), fault);
  }

  private static Mutation mistral(
      String name, String fault, Function<WeightSource, ReferenceModel> broken) {
    return new Mutation(name, MISTRAL, NaiveCandidate.of(broken.apply(MISTRAL)), fault);
  }

  /** What the naive model of these weights computes of random windows. */
  static Reference reference(WeightSource right) {
    List<int[]> windows = RandomWeights.windows(right.config(), WINDOWS, WINDOW_TOKENS, 3);
    return new ComputedReference(
        new ReferenceModel(right), windows, Path.of("tokens"), 4, ProgressListener.NONE);
  }

  static VerificationReport verify(WeightSource right, Candidate candidate, Gate gate)
      throws IOException {
    try (Reference reference = reference(right)) {
      return Verification.run(
          candidate, reference, gate, VerificationOptions.defaults(), ProgressListener.NONE);
    }
  }

  @ParameterizedTest
  @MethodSource("mutations")
  void failsABrokenCandidateAndNamesTheFault(Mutation mutation) throws IOException {
    VerificationReport report = verify(mutation.right, mutation.broken, Gate.exact());
    assertEquals(Verdict.FAIL, report.verdict());
    assertEquals(mutation.fault, report.fault().map(Fault::toString).orElse(""));
    assertTrue(failed(report).contains(Metric.LOGITS_MAX_ABS), () -> failed(report).toString());
  }

  static Stream<WeightSource> models() {
    return Stream.of(MIXTRAL, MISTRAL, new RandomWeights(RandomWeights.TIED, 4));
  }

  @ParameterizedTest
  @MethodSource("models")
  void passesTheModelItself(WeightSource weights) throws IOException {
    VerificationReport report =
        verify(weights, NaiveCandidate.of(new ReferenceModel(weights)), Gate.exact());
    assertEquals(List.of(), failed(report));
    assertEquals(Verdict.PASS, report.verdict());
    assertTrue(report.fault().isEmpty());
  }

  @ParameterizedTest
  @MethodSource("models")
  void failsADecodeThatDiffersFromPrefill(WeightSource weights) throws IOException {
    Candidate candidate =
        new NaiveCandidate(new ReferenceModel(weights), BrokenModels.shiftedQueries(weights, 1));
    VerificationReport report = verify(weights, candidate, Gate.exact());
    assertEquals(List.of(Metric.DECODE_MAX_ABS_VS_PREFILL), failed(report));
  }

  static List<Metric> failed(VerificationReport report) {
    return report.checks().stream()
        .filter(check -> check.verdict() == Verdict.FAIL)
        .map(Check::metric)
        .toList();
  }
}
