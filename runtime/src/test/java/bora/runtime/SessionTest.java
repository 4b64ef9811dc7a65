package bora.runtime;

import static bora.runtime.Differences.assertClose;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.model.ModelConfig;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

final class SessionTest {
  /** Values are of magnitude 1 to 10, sums short: float32 rounding stays a hundred times below. */
  private static final double TOLERANCE = 1e-4;

  /** Keys and values rounded by at most 2^-9 of theirs, in three layers. */
  private static final double BFLOAT16_TOLERANCE = 0.1;

  /** More than four windows of 5 and than any chunk the tests use. */
  private static final int TOKENS = 23;

  record Case(String name, RandomModel model, KernelChoice kernels) {
    @Override
    public String toString() {
      return name + " " + kernels;
    }
  }

  static Stream<Case> cases() {
    return Stream.of(KernelChoice.SCALAR, KernelChoice.VECTOR)
        .flatMap(
            kernels ->
                Stream.of(
                    new Case("dense", RandomModel.of(RandomModel.DENSE), kernels),
                    new Case("tied", RandomModel.of(RandomModel.DENSE_WINDOWED_TIED), kernels),
                    new Case("experts", RandomModel.of(RandomModel.EXPERTS), kernels),
                    new Case("window", RandomModel.of(RandomModel.EXPERTS_WINDOWED), kernels),
                    new Case("mixed", RandomModel.ofMixedEncodings(), kernels)));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void prefillComputesWhatTheNaiveForwardComputes(Case run) {
    int[] tokens = run.model.tokens(TOKENS);
    RecordingObserver heard = new RecordingObserver(run.model.config(), TOKENS);
    try (Model model = run.model.open(run.kernels)) {
      float[] last = model.newSession(TOKENS).prefill(tokens, heard);
      assertArrayEquals(heard.logits[TOKENS - 1], last);
    }
    assertHeard(new NaiveForward(run.model, RoutingSource.ROUTER, tokens), heard);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void decodeComputesWhatTheNaiveForwardComputes(Case run) {
    int[] tokens = run.model.tokens(TOKENS);
    RecordingObserver heard = new RecordingObserver(run.model.config(), TOKENS);
    try (Model model = run.model.open(run.kernels)) {
      Session session = model.newSession(TOKENS);
      for (int i = 0; i < TOKENS; i++) {
        assertArrayEquals(session.decode(tokens[i], heard), heard.logits[i]);
      }
      assertEquals(TOKENS, session.position());
    }
    assertHeard(new NaiveForward(run.model, RoutingSource.ROUTER, tokens), heard);
  }

  private static void assertHeard(NaiveForward expected, RecordingObserver heard) {
    for (int position = 0; position < heard.logits.length; position++) {
      String at = " of position " + position + ", value";
      for (int index = 0; index < heard.hidden.length; index++) {
        double[] hidden = expected.hidden[index][position];
        assertClose("hidden " + index + at, hidden, heard.hidden[index][position], TOLERANCE);
      }
      for (int layer = 0; layer < heard.routerLogits.length; layer++) {
        double[] router = expected.routerLogits[layer][position];
        if (router == null) {
          assertNull(heard.routerLogits[layer][position], "a dense model has no router");
        } else {
          float[] actual = heard.routerLogits[layer][position];
          assertClose("router " + layer + at, router, actual, TOLERANCE);
        }
      }
      assertClose("logits" + at, expected.logits[position], heard.logits[position], TOLERANCE);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void prefillInBatchesAgreesWithDecodeAcrossTheWindow(Case run) {
    int[] tokens = run.model.tokens(TOKENS);
    ModelConfig config = run.model.config();
    try (Model model = run.model.open(run.kernels)) {
      RecordingObserver decoded = new RecordingObserver(config, TOKENS);
      Session oneByOne = model.newSession(TOKENS);
      for (int token : tokens) {
        oneByOne.decode(token, decoded);
      }
      for (int maxBatch : new int[] {1, 2, 4, 5, 6, 22}) {
        RecordingObserver prefilled = new RecordingObserver(config, TOKENS);
        model.newSession(TOKENS, KvCacheType.F32, maxBatch).prefill(tokens, prefilled);
        for (int i = 0; i < TOKENS; i++) {
          String what = "batches of " + maxBatch + ", position " + i + ", logit";
          assertClose(what, decoded.logits[i], prefilled.logits[i], TOLERANCE);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = KernelChoice.class,
      names = {"SCALAR", "VECTOR"})
  void decodeContinuesPrefillAndPrefillContinuesDecode(KernelChoice kernels) {
    RandomModel random = RandomModel.of(RandomModel.EXPERTS_WINDOWED);
    int[] tokens = random.tokens(TOKENS);
    try (Model model = random.open(kernels)) {
      float[] whole = model.newSession(TOKENS).prefill(tokens, ForwardObserver.NONE);
      Session session = model.newSession(TOKENS, KvCacheType.F32, 4);
      session.prefill(Arrays.copyOf(tokens, 9), ForwardObserver.NONE);
      for (int i = 9; i < 16; i++) {
        session.decode(tokens[i], ForwardObserver.NONE);
      }
      int[] rest = Arrays.copyOfRange(tokens, 16, TOKENS);
      assertClose("logit", whole, session.prefill(rest, ForwardObserver.NONE), TOLERANCE);
    }
  }

  @Test
  void refusesToRunOnceItIsClosed() {
    try (Model model = RandomModel.of(RandomModel.DENSE).open(KernelChoice.SCALAR)) {
      Session session = model.newSession(4);
      session.prefill(new int[] {1, 2}, ForwardObserver.NONE);
      session.close();
      session.close();
      for (Executable run :
          List.<Executable>of(
              () -> session.prefill(new int[] {1}, ForwardObserver.NONE),
              () -> session.decode(1, ForwardObserver.NONE))) {
        assertEquals(
            "the session is closed", assertThrows(IllegalStateException.class, run).getMessage());
      }
      assertEquals(2, session.position());
    }
  }

  @Test
  void resultsDoNotDependOnTheBatches() {
    RandomModel random = RandomModel.of(RandomModel.EXPERTS_WINDOWED);
    int[] tokens = random.tokens(TOKENS);
    try (Model model = random.open(KernelChoice.SCALAR)) {
      float[] whole = model.newSession(TOKENS).prefill(tokens, ForwardObserver.NONE);
      float[] split =
          model.newSession(TOKENS, KvCacheType.F32, 3).prefill(tokens, ForwardObserver.NONE);
      assertArrayEquals(whole, split);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"SCALAR", "VECTOR", "AUTO"})
  void aCacheOfHalfTheBytesRoundsKeysAndValuesOnly(KernelChoice kernels) {
    RandomModel random = RandomModel.of(RandomModel.DENSE);
    int[] tokens = random.tokens(TOKENS);
    try (Model model = random.open(kernels)) {
      float[] exact = model.newSession(TOKENS).prefill(tokens, ForwardObserver.NONE);
      float[] float16 =
          model.newSession(TOKENS, KvCacheType.F16).prefill(tokens, ForwardObserver.NONE);
      float[] bfloat16 =
          model.newSession(TOKENS, KvCacheType.BF16).prefill(tokens, ForwardObserver.NONE);
      assertClose("logit", exact, bfloat16, BFLOAT16_TOLERANCE);
      // Three bits more.
      assertClose("logit", exact, float16, BFLOAT16_TOLERANCE / 8);
      assertFalse(Arrays.equals(exact, bfloat16));
      assertFalse(Arrays.equals(exact, float16));
    }
  }

  @Test
  void attendsToPositionsFurtherAwayThanARunOfTheCache() {
    RandomModel random = RandomModel.of(RandomModel.DENSE);
    int count = 2 * KvCache.RUN_SLOTS + 30;
    int[] tokens = random.tokens(count);
    NaiveForward naive = new NaiveForward(random, RoutingSource.ROUTER, tokens);
    try (Model model = random.open(KernelChoice.VECTOR)) {
      Session session = model.newSession(count);
      float[] logits =
          session.prefill(Arrays.copyOf(tokens, KvCache.RUN_SLOTS + 3), ForwardObserver.NONE);
      assertClose("prefilled", naive.logits[KvCache.RUN_SLOTS + 2], logits, TOLERANCE);
      for (int i = KvCache.RUN_SLOTS + 3; i < count; i++) {
        logits = session.decode(tokens[i], ForwardObserver.NONE);
        assertClose("decoded", naive.logits[i], logits, TOLERANCE);
      }
    }
  }

  @Test
  void runsFarBeyondTheWindowInConstantMemory() {
    RandomModel random = RandomModel.of(RandomModel.EXPERTS_WINDOWED);
    // The ring has 256 slots.
    int[] tokens = random.tokens(700);
    try (Model model = random.open(KernelChoice.VECTOR)) {
      Session session = model.newSession(Integer.MAX_VALUE, KvCacheType.F32, 4);
      float[] logits = session.prefill(tokens, ForwardObserver.NONE);
      // Through three layers a position sees 3 * 4 before it; nothing earlier can matter.
      NaiveForward naive = new NaiveForward(random, RoutingSource.ROUTER, tokens);
      assertClose("logit", naive.logits[699], logits, TOLERANCE);
    }
  }

  @Test
  void tellsLogitsToThoseWhoWantThem() {
    RandomModel random = RandomModel.of(RandomModel.DENSE);
    int[] tokens = random.tokens(100);
    try (Model model = random.open(KernelChoice.SCALAR)) {
      RecordingObserver heard = new RecordingObserver(random.config(), 100);
      float[] last = model.newSession(100).prefill(tokens, heard);
      assertTrue(Arrays.stream(heard.logits).allMatch(row -> row != null));

      ForwardObserver deaf =
          new ForwardObserver() {
            @Override
            public boolean wantsLogits() {
              return false;
            }

            @Override
            public void logits(int position, float[] logits, int offset) {
              throw new AssertionError("logits of position " + position);
            }
          };
      Session session = model.newSession(101);
      assertClose("logit", last, session.prefill(tokens, deaf), TOLERANCE);
      session.decode(tokens[0], deaf);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = KernelChoice.class,
      names = {"SCALAR", "VECTOR"})
  void imposedRoutingReplacesTheRoutersChoice(KernelChoice kernels) {
    RandomModel random = RandomModel.of(RandomModel.EXPERTS_WINDOWED);
    int[] tokens = random.tokens(TOKENS);
    RoutingSource source =
        (layer, position) ->
            position % 3 == 0
                ? new int[0]
                : new int[] {
                  (layer + position) % 5, (layer + position + 2) % 5, (layer + position + 1) % 5
                };
    NaiveForward naive = new NaiveForward(random, source, tokens);
    try (Model model = random.open(kernels)) {
      Session session = model.newSession(TOKENS);
      session.imposeRouting(source);
      RecordingObserver prefilled = new RecordingObserver(random.config(), TOKENS);
      session.prefill(tokens, prefilled);
      assertHeard(naive, prefilled);

      session.reset();
      RecordingObserver decoded = new RecordingObserver(random.config(), TOKENS);
      for (int token : tokens) {
        session.decode(token, decoded);
      }
      assertHeard(naive, decoded);

      session.reset();
      session.imposeRouting(RoutingSource.ROUTER);
      float[] own = session.prefill(tokens, ForwardObserver.NONE);
      assertClose(
          "logit",
          new NaiveForward(random, RoutingSource.ROUTER, tokens).logits[TOKENS - 1],
          own,
          TOLERANCE);
    }
  }

  @Test
  void refusesMoreTokensThanItsContextAndRunsNone() {
    RandomModel random = RandomModel.of(RandomModel.DENSE_WINDOWED_TIED);
    int[] tokens = random.tokens(9);
    try (Model model = random.open(KernelChoice.SCALAR)) {
      Session session = model.newSession(8);
      IllegalStateException thrown =
          assertThrows(
              IllegalStateException.class, () -> session.prefill(tokens, ForwardObserver.NONE));
      assertEquals(
          "context: expected at most 8 tokens in this session, found 9; ask for a session with a"
              + " longer context",
          thrown.getMessage());
      assertEquals(0, session.position());

      session.prefill(Arrays.copyOf(tokens, 8), ForwardObserver.NONE);
      assertThrows(IllegalStateException.class, () -> session.decode(1, ForwardObserver.NONE));
      session.reset();
      session.decode(1, ForwardObserver.NONE);
      assertEquals(1, session.position());
    }
  }

  static List<int[]> unknownTokens() {
    return List.of(new int[] {-1}, new int[] {37}, new int[] {Integer.MAX_VALUE});
  }

  @ParameterizedTest
  @MethodSource("unknownTokens")
  void refusesTokensOutsideTheVocabulary(int[] tokens) {
    try (Model model = RandomModel.of(RandomModel.DENSE).open(KernelChoice.SCALAR)) {
      Session session = model.newSession(8);
      String message = "token: expected 0 to 36 for a vocabulary of 37, found " + tokens[0];
      assertEquals(
          message,
          assertThrows(
                  IllegalArgumentException.class,
                  () -> session.decode(tokens[0], ForwardObserver.NONE))
              .getMessage());
      assertEquals(
          message,
          assertThrows(
                  IllegalArgumentException.class,
                  () -> session.prefill(tokens, ForwardObserver.NONE))
              .getMessage());
      assertEquals(0, session.position());
    }
  }

  @Test
  void refusesAnEmptyPrefillAndAnEmptyContext() {
    try (Model model = RandomModel.of(RandomModel.DENSE).open(KernelChoice.SCALAR)) {
      assertThrows(IllegalArgumentException.class, () -> model.newSession(0));
      Session session = model.newSession(1);
      assertThrows(
          IllegalArgumentException.class, () -> session.prefill(new int[0], ForwardObserver.NONE));
    }
  }

  @Test
  void goesOnAfterAnObserverThrew() {
    RandomModel random = RandomModel.of(RandomModel.EXPERTS_WINDOWED);
    int[] tokens = random.tokens(TOKENS);
    ForwardObserver failsInTheThirdBatch =
        new ForwardObserver() {
          @Override
          public void hidden(int index, int position, float[] values, int offset) {
            if (index == 2 && position == 9) {
              throw new UnsupportedOperationException("enough");
            }
          }
        };
    try (Model model = random.open(KernelChoice.SCALAR)) {
      Session session = model.newSession(TOKENS, KvCacheType.F32, 4);
      assertThrows(
          UnsupportedOperationException.class, () -> session.prefill(tokens, failsInTheThirdBatch));
      assertEquals(8, session.position());
      int[] rest = Arrays.copyOfRange(tokens, 8, TOKENS);
      assertArrayEquals(
          model.newSession(TOKENS, KvCacheType.F32, 4).prefill(tokens, ForwardObserver.NONE),
          session.prefill(rest, ForwardObserver.NONE));
    }
  }

  // Scalar for the same reason as below.
  @Test
  void sessionsOfOneModelRunFromSeveralThreads() throws InterruptedException, ExecutionException {
    RandomModel random = RandomModel.of(RandomModel.EXPERTS_WINDOWED);
    int[] tokens = random.tokens(TOKENS);
    try (Model model = random.open(KernelChoice.SCALAR);
        ExecutorService callers = Executors.newFixedThreadPool(4)) {
      float[] expected = generate(model.newSession(2 * TOKENS), tokens);
      List<Future<float[]>> results =
          Stream.generate(
                  () -> callers.submit(() -> generate(model.newSession(2 * TOKENS), tokens)))
              .limit(8)
              .toList();
      for (Future<float[]> result : results) {
        assertArrayEquals(expected, result.get());
      }
    }
  }

  private static float[] generate(Session session, int[] tokens) {
    float[] logits = session.prefill(tokens, ForwardObserver.NONE);
    for (int token : tokens) {
      logits = session.decode(token, ForwardObserver.NONE);
    }
    return logits;
  }

  // Scalar: a vector's lanes are summed in an order that the VM may change as it compiles.
  @Test
  void resultsDoNotDependOnTheThreads() {
    RandomModel random = RandomModel.of(RandomModel.EXPERTS_WINDOWED);
    int[] tokens = random.tokens(TOKENS);
    float[] expected = null;
    for (int threads = 1; threads <= 5; threads++) {
      RuntimeOptions options = new RuntimeOptions(threads, KernelChoice.SCALAR);
      try (Model model = Model.of(random.config(), random.tensors()::get, options)) {
        float[] logits = generate(model.newSession(2 * TOKENS), tokens);
        expected = expected == null ? logits : expected;
        assertArrayEquals(expected, logits);
      }
    }
  }
}
