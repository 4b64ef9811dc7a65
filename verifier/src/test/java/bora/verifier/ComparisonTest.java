package bora.verifier;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import bora.verifier.report.ReportJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Metrics against values worked out by hand. */
final class ComparisonTest {
  /** The values are worked out in double from inputs exact in float32. */
  private static final double ROUNDING = 1e-7;

  private static SequenceOutputs logits(int[] tokens, float... values) {
    int width = values.length / tokens.length;
    return new SequenceOutputs(tokens, new PositionValues(width, values), List.of(), List.of());
  }

  @Test
  void measuresLogits() {
    float ln3 = (float) Math.log(3);
    LogitComparison comparison = new LogitComparison();
    // The reference says 1/4, 3/4; the candidate 1/2, 1/2; the token that follows is 1.
    ScoredSequence sequence =
        new FullSequence(logits(new int[] {0, 1}, 0, ln3, 9, 9), new PositionRange(0, 1));
    comparison.add(sequence, sequence.compare(logits(new int[] {0, 1}, 0, 0, 9, 9)));
    Map<Metric, Double> metrics = new EnumMap<>(Metric.class);
    comparison.putMetrics(metrics);
    assertEquals(1, metrics.get(Metric.LOGITS_NMSE), ROUNDING);
    assertEquals(ln3, metrics.get(Metric.LOGITS_MAX_ABS), ROUNDING);
    assertEquals(0, metrics.get(Metric.LOGITS_COSINE), ROUNDING);
    double divergence = 0.25 * Math.log(0.5) + 0.75 * Math.log(1.5);
    assertEquals(divergence, metrics.get(Metric.KLD_MEAN), ROUNDING);
    assertEquals(divergence, metrics.get(Metric.KLD_P99), ROUNDING);
    double reverse = 0.5 * Math.log(2) + 0.5 * Math.log(2.0 / 3);
    assertEquals(reverse, metrics.get(Metric.KLD_REVERSE_MEAN), ROUNDING);
    assertEquals(0, metrics.get(Metric.TOP1_AGREEMENT));
    assertEquals(1, metrics.get(Metric.TOP5_AGREEMENT));
    assertEquals(2, metrics.get(Metric.PERPLEXITY), ROUNDING);
    assertEquals(4.0 / 3, metrics.get(Metric.PERPLEXITY_REFERENCE), ROUNDING);
    assertEquals(1, comparison.positions());
  }

  @Test
  void tellsANearTieFromAnError() {
    // Logits off by 3 and 4, two more right: a mean square of 25 / 4.
    LogitComparison comparison = new LogitComparison();
    ScoredSequence sequence =
        new FullSequence(logits(new int[] {0, 1}, 0, 0, 0, 0), new PositionRange(0, 2));
    comparison.add(sequence, sequence.compare(logits(new int[] {0, 1}, 3, 0, 0, 4)));
    assertEquals(2.5, comparison.rmsError(), ROUNDING);
    double tolerance = 4 * Math.sqrt(2) * 2.5;
    assertTrue(GreedyDivergence.of(0, 1, 0, tolerance - 0.1, comparison.rmsError()).isNearTie());
    assertFalse(GreedyDivergence.of(0, 1, 0, tolerance + 0.1, comparison.rmsError()).isNearTie());
  }

  @Test
  void ranksEqualValuesByIndex() {
    assertArrayEquals(new int[] {1, 3, 0}, Ranking.largest(new double[] {2, 5, 1, 5}, 3));
    assertArrayEquals(new int[] {0, 1}, Ranking.largest(new double[] {7, 7, 7}, 2));
  }

  @Test
  void takesTheMarginBetweenTheLastTakenAndTheNext() {
    PositionValues router = new PositionValues(4, new float[] {1, 4, 3, 2.5f});
    RouterChoice choice = RouterChoice.of(router, 0, 2);
    assertArrayEquals(new int[] {1, 2}, choice.experts());
    assertEquals(0.5, choice.margin());
  }

  @Test
  void cutsWindowsAsLlamaCppDoes() {
    WindowsProtocol protocol = new WindowsProtocol(4, 2);
    List<int[]> windows =
        protocol.windows(new int[] {9, 2, 3, 4, 5, 6, 7, 8, 10}, OptionalInt.of(1));
    assertEquals(2, windows.size());
    assertArrayEquals(new int[] {1, 2, 3, 4}, windows.getFirst());
    assertArrayEquals(new int[] {1, 6, 7, 8}, windows.getLast());
    assertEquals(new PositionRange(2, 3), WindowsProtocol.scored(4));
    assertEquals(new PositionRange(256, 511), WindowsProtocol.scored(512));
  }

  @Test
  void readsTokensInEitherForm(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("tokens");
    for (String text : List.of("[1, 2,3]\n", "1 2\n3\n", "1,2,3")) {
      assertArrayEquals(new int[] {1, 2, 3}, TokenIds.read(Files.writeString(file, text)));
    }
    for (String text : List.of("", "[]", "1 -2", "1 x", "[1,,2]", "1.5", "99999999999")) {
      Files.writeString(file, text);
      assertThrows(CorruptFileException.class, () -> TokenIds.read(file), text);
    }
  }

  /** Takes the other expert wherever the reference is as good as torn, unless told otherwise. */
  private record TornCandidate(WeightSource weights, double margin, List<ImposedRouting> heard)
      implements Candidate {
    @Override
    public ModelConfig config() {
      return weights.config();
    }

    @Override
    public SequencedMap<String, String> provenance() {
      return new LinkedHashMap<>();
    }

    @Override
    public SequenceOutputs prefill(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed)
        throws IOException {
      heard.add(imposed);
      SequenceOutputs right =
          NaiveCandidate.run(new ReferenceModel(weights), tokens, EnumSet.allOf(LayerOutput.class));
      List<PositionValues> routers = new ArrayList<>(right.routerLogits());
      routers.set(1, new PositionValues(routers.get(1).width(), routers.get(1).values().clone()));
      int[] ranking = Ranking.largest(routers.get(1), 3, 3);
      float last = routers.get(1).at(3, ranking[1]);
      routers.get(1).values()[routers.get(1).offset(3) + ranking[2]] = last + 1e-6f;
      PositionValues logits = right.logits();
      if (imposed.expertsOf(1, 3).length == 0) {
        logits = new PositionValues(logits.width(), logits.values().clone());
        logits.values()[logits.offset(4)] += 1;
      }
      return new SequenceOutputs(tokens, logits, right.hidden(), routers);
    }

    @Override
    public SequenceOutputs decode(int[] tokens, Set<LayerOutput> wanted, ImposedRouting imposed)
        throws IOException {
      return prefill(tokens, wanted, imposed);
    }

    @Override
    public int[] greedy(int[] prompt, int count) {
      return new int[count];
    }
  }

  private static VerificationReport verifyTorn(double nearTieMargin) throws IOException {
    RandomWeights weights = new RandomWeights(RandomWeights.MIXTRAL, 21);
    List<int[]> windows = RandomWeights.windows(weights.config(), 1, 8, 1);
    try (Reference reference =
        new ComputedReference(
            new ReferenceModel(weights), windows, Path.of("x"), 1, ProgressListener.NONE)) {
      return Verification.run(
          new TornCandidate(weights, nearTieMargin, new ArrayList<>()),
          reference,
          Gate.exact(),
          new VerificationOptions(nearTieMargin, 100, 100),
          ProgressListener.NONE);
    }
  }

  @Test
  void settlesNearTiesAsTheReferenceDid() throws IOException {
    VerificationReport report = verifyTorn(100);
    assertEquals(1.0, report.metrics().get(Metric.ROUTER_FLIPS));
    assertEquals(0.0, report.metrics().get(Metric.ROUTER_FLIPS_BEYOND_MARGIN));
    assertEquals(Verdict.PASS, report.verdict(), report.metrics()::toString);
  }

  @Test
  void settlesNoFlipThatIsNoNearTie() throws IOException {
    VerificationReport report = verifyTorn(0);
    assertEquals(1.0, report.metrics().get(Metric.ROUTER_FLIPS_BEYOND_MARGIN));
    assertEquals(
        EnumSet.of(
            Metric.LOGITS_MAX_ABS,
            Metric.LOGITS_NMSE,
            Metric.KLD_MEAN,
            Metric.ROUTER_FLIPS_BEYOND_MARGIN),
        EnumSet.copyOf(MutationTest.failed(report)));
    assertEquals("layer 1", report.fault().orElseThrow().toString());
  }

  @Test
  void writesReportsWithTheKeysThatScriptsRelyOn() throws IOException {
    var json = ReportJson.of(verifyTorn(0));
    assertEquals("fail", json.path("verdict").textValue());
    assertTrue(json.path("metrics").path("kld.mean").isNumber());
    assertFalse(json.path("metrics").has("greedy.matched"));
    for (var check : json.path("checks")) {
      for (String key : List.of("name", "measured", "limit", "verdict")) {
        assertTrue(check.has(key), key);
      }
    }
    assertEquals(4, json.path("layers").size());
    assertEquals("layer 1", json.path("fault").textValue());
  }
}
