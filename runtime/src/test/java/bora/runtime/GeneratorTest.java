package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.model.ModelConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class GeneratorTest {
  private static final int[] PROMPT = {1, 5, 9};

  private static RandomModel endingAt(List<Integer> eosTokenIds) {
    ModelConfig c = RandomModel.EXPERTS;
    ModelConfig config =
        new ModelConfig(
            c.architecture(),
            c.vocabSize(),
            c.hiddenSize(),
            c.intermediateSize(),
            c.layerCount(),
            c.headCount(),
            c.kvHeadCount(),
            c.headDim(),
            c.expertCount(),
            c.expertsPerToken(),
            c.rmsNormEps(),
            c.ropeTheta(),
            c.slidingWindow(),
            c.maxPositionEmbeddings(),
            c.tiedEmbeddings(),
            c.bosTokenId(),
            eosTokenIds);
    return RandomModel.of(config);
  }

  private static int[] generate(RandomModel random, Sampling sampling, int maxTokens) {
    try (Model model = random.open(KernelChoice.SCALAR)) {
      Session session = model.newSession(PROMPT.length + maxTokens - 1);
      List<Integer> heard = new ArrayList<>();
      int[] generated =
          new Generator(model, session, sampling).generate(PROMPT, maxTokens, heard::add);
      assertArrayEquals(generated, heard.stream().mapToInt(Integer::intValue).toArray());
      assertEquals(PROMPT.length + generated.length - 1, session.position());
      return generated;
    }
  }

  @Test
  void aWarmUpChangesNoToken() {
    RandomModel random = RandomModel.ofMixedEncodings();
    int[][] generated = new int[2][];
    for (int run = 0; run < 2; run++) {
      try (Model model = random.open(KernelChoice.AUTO)) {
        if (run == 1) {
          model.warmUp();
          model.warmUp();
        }
        Generator generator = new Generator(model, model.newSession(20), new Sampling.Greedy());
        generated[run] = generator.generate(PROMPT, 12, token -> true);
      }
    }
    assertArrayEquals(generated[0], generated[1]);
    try (Model closedAtOnce = random.open(KernelChoice.AUTO)) {
      closedAtOnce.warmUp();
    }
  }

  @Test
  void greedyTakesTheMostLikelyTokens() {
    RandomModel random = endingAt(List.of());
    int[] generated = generate(random, new Sampling.Greedy(), 12);
    assertEquals(12, generated.length);
    int[] all = new int[PROMPT.length + generated.length];
    System.arraycopy(PROMPT, 0, all, 0, PROMPT.length);
    System.arraycopy(generated, 0, all, PROMPT.length, generated.length);
    double[][] logits = new NaiveForward(random, RoutingSource.ROUTER, all).logits;
    for (int i = 0; i < generated.length; i++) {
      double[] row = logits[PROMPT.length - 1 + i];
      double max = Arrays.stream(row).max().getAsDouble();
      assertEquals(max, row[generated[i]], 1e-4);
    }
  }

  @Test
  void stopsAfterAnEndOfSequenceToken() {
    int[] endless = generate(endingAt(List.of()), new Sampling.Greedy(), 12);
    int eos = endless[4];
    int first = 0;
    while (endless[first] != eos) {
      first++;
    }
    int[] generated = generate(endingAt(List.of(eos)), new Sampling.Greedy(), 12);
    assertArrayEquals(Arrays.copyOf(endless, first + 1), generated);
  }

  @Test
  void equalSeedsDrawEqualTokens() {
    RandomModel random = endingAt(List.of());
    int[] drawn = generate(random, new Sampling.Temperature(1.5, 42), 30);
    assertArrayEquals(drawn, generate(random, new Sampling.Temperature(1.5, 42), 30));
    int[] otherwise = generate(random, new Sampling.Temperature(1.5, 43), 30);
    assertTrue(!Arrays.equals(drawn, otherwise));
  }

  @Test
  void drawsByTheSoftmaxOfTheLogits() {
    float[] logits = {0, -1000, 1, 2};
    double temperature = 2;
    TokenSampler sampler = new TokenSampler(new Sampling.Temperature(temperature, 1));
    int draws = 40_000;
    int[] counts = new int[logits.length];
    for (int i = 0; i < draws; i++) {
      counts[sampler.next(logits)]++;
    }
    double sum = 1 + Math.exp(0.5) + Math.exp(1);
    assertEquals(0, counts[1]);
    // Four standard deviations of a frequency of one half.
    double tolerance = 4 * 0.5 / Math.sqrt(draws);
    assertEquals(1 / sum, counts[0] / (double) draws, tolerance);
    assertEquals(Math.exp(0.5) / sum, counts[2] / (double) draws, tolerance);
    assertEquals(Math.exp(1) / sum, counts[3] / (double) draws, tolerance);
  }

  static Stream<Arguments> candidates() {
    // Probabilities 0.1, 0.4, 0.3, 0.2 of tokens 0 to 3.
    return Stream.of(
        Arguments.of(new Sampling.Candidates(0, 1, 0), Set.of(0, 1, 2, 3)),
        Arguments.of(new Sampling.Candidates(1, 1, 0), Set.of(1)),
        Arguments.of(new Sampling.Candidates(3, 1, 0), Set.of(1, 2, 3)),
        Arguments.of(new Sampling.Candidates(9, 1, 0), Set.of(0, 1, 2, 3)),
        Arguments.of(new Sampling.Candidates(0, 0.39, 0), Set.of(1)),
        Arguments.of(new Sampling.Candidates(0, 0.65, 0), Set.of(1, 2)),
        Arguments.of(new Sampling.Candidates(0, 1e-9, 0), Set.of(1)),
        Arguments.of(new Sampling.Candidates(0, 1, 0.45), Set.of(1, 2, 3)),
        Arguments.of(new Sampling.Candidates(0, 1, 1), Set.of(1)),
        // Of the two most likely ones the first has 4/7.
        Arguments.of(new Sampling.Candidates(2, 0.5, 0), Set.of(1)),
        Arguments.of(new Sampling.Candidates(3, 0.9, 0.6), Set.of(1, 2)));
  }

  @ParameterizedTest
  @MethodSource("candidates")
  void drawsFromTheCandidatesOnly(Sampling.Candidates candidates, Set<Integer> expected) {
    float[] logits = {
      (float) Math.log(0.1), (float) Math.log(0.4), (float) Math.log(0.3), (float) Math.log(0.2)
    };
    TokenSampler sampler = new TokenSampler(new Sampling.Temperature(1, candidates, 1, 7));
    Set<Integer> drawn = new HashSet<>();
    for (int i = 0; i < 1000; i++) {
      drawn.add(sampler.next(logits));
    }
    assertEquals(expected, drawn);
  }

  @Test
  void candidatesThatAreAllDrawAsWithoutLimits() {
    float[] logits = {0, 1, 2, 0.5f, -1};
    TokenSampler plain = new TokenSampler(new Sampling.Temperature(0.9, 11));
    TokenSampler limited =
        new TokenSampler(new Sampling.Temperature(0.9, new Sampling.Candidates(5, 1, 1e-9), 1, 11));
    for (int i = 0; i < 100; i++) {
      assertEquals(plain.next(logits), limited.next(logits));
    }
  }

  @Test
  void penalizesWhatHasOccurred() {
    float[] logits = {3, 2.5f, -1, -1.5f};
    TokenSampler sampler = new TokenSampler(new Sampling.Greedy(1.5));
    assertEquals(0, sampler.next(logits));
    assertEquals(1, sampler.next(logits));
    assertEquals(0, sampler.next(logits), "both are penalized, the first leads again");
    float[] negative = {-1, -1.25f};
    TokenSampler observing = new TokenSampler(new Sampling.Greedy(1.5));
    observing.observe(0);
    assertEquals(1, observing.next(negative));
    assertEquals(-1, negative[0], "the logits are left as they are");
  }

  @Test
  void endsWhenTheListenerWantsNoMore() {
    RandomModel random = endingAt(List.of());
    try (Model model = random.open(KernelChoice.SCALAR)) {
      Session session = model.newSession(20);
      Generator generator = new Generator(model, session, new Sampling.Greedy());
      int[] heard = new int[1];
      assertEquals(3, generator.generate(PROMPT, 10, token -> ++heard[0] < 3).length);
      assertEquals(PROMPT.length + 2, session.position());
    }
  }

  @Test
  void greedyTakesTheLowestAmongEquals() {
    assertEquals(1, TokenSampler.mostLikely(new float[] {-3, 2, 2, 1}));
  }

  @Test
  void refusesLogitsThatAreNotFinite() {
    TokenSampler sampler = new TokenSampler(new Sampling.Greedy());
    assertThrows(ArithmeticException.class, () -> sampler.next(new float[] {0, Float.NaN}));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void refusesATemperatureThatIsNone(double temperature) {
    assertThrows(IllegalArgumentException.class, () -> new Sampling.Temperature(temperature, 1));
  }

  @Test
  void refusesCandidatesThatAreNone() {
    assertThrows(IllegalArgumentException.class, () -> new Sampling.Candidates(-1, 1, 0));
    assertThrows(IllegalArgumentException.class, () -> new Sampling.Candidates(0, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> new Sampling.Candidates(0, 1.1, 0));
    assertThrows(IllegalArgumentException.class, () -> new Sampling.Candidates(0, 1, -0.1));
    assertThrows(IllegalArgumentException.class, () -> new Sampling.Candidates(0, 1, Double.NaN));
    assertThrows(IllegalArgumentException.class, () -> new Sampling.Greedy(0));
  }

  @Test
  void refusesAContextThatIsTooShortBeforeRunning() {
    RandomModel random = endingAt(List.of());
    try (Model model = random.open(KernelChoice.SCALAR)) {
      Session session = model.newSession(5);
      Generator generator = new Generator(model, session, new Sampling.Greedy());
      assertThrows(IllegalStateException.class, () -> generator.generate(PROMPT, 4, token -> true));
      assertThrows(
          IllegalArgumentException.class, () -> generator.generate(PROMPT, 0, token -> true));
      assertEquals(0, session.position());
    }
  }
}
