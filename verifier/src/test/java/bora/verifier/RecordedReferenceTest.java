package bora.verifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class RecordedReferenceTest {
  private static final ReferenceModel MIXTRAL =
      new ReferenceModel(new RandomWeights(RandomWeights.MIXTRAL, 1));
  private static final int[] TOKENS = {1, 5, 9, 13, 17, 21};

  @TempDir private Path directory;

  record Damage(String name, Consumer<SafetensorsBuilder> damage, String message) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static SafetensorsBuilder outputs() throws IOException {
    return new SafetensorsBuilder()
        .outputs(0, NaiveCandidate.run(MIXTRAL, TOKENS, EnumSet.allOf(LayerOutput.class)));
  }

  private static SafetensorsBuilder windows() throws IOException {
    PositionValues logits =
        NaiveCandidate.run(MIXTRAL, TOKENS, EnumSet.noneOf(LayerOutput.class)).logits();
    int predictions = TOKENS.length - 1;
    float[] nll = new float[predictions];
    int[] top1 = new int[predictions];
    for (int position = 0; position < predictions; position++) {
      double logSum = LogSoftmax.logSum(logits, position);
      nll[position] = (float) (logSum - logits.at(position, TOKENS[position + 1]));
      top1[position] = Ranking.largest(logits, position, 1)[0];
    }
    return new SafetensorsBuilder()
        .ints("input_ids", TOKENS, 1, TOKENS.length)
        .floats("nll", nll, 1, predictions)
        .ints("top1", top1, 1, predictions);
  }

  static Stream<Damage> damagedOutputs() {
    float[] nan = new float[TOKENS.length * 96];
    nan[100] = Float.NaN;
    return Stream.of(
        new Damage("no tokens", file -> file.without("0.input_ids"), "0.input_ids"),
        new Damage("no logits", file -> file.without("0.logits"), "0.logits"),
        new Damage("gap in layers", file -> file.without("0.hidden.1"), "0.hidden.1"),
        new Damage("prompt alone", file -> file.ints("greedy.prompt", TOKENS, 6), "greedy.tokens"),
        new Damage("unknown", file -> file.ints("0.inputs", TOKENS, 6), "0.inputs"),
        new Damage("tokens as floats", file -> file.floats("0.input_ids", new float[6], 6), "I32"),
        new Damage("wrong rank", file -> file.floats("0.logits", new float[576], 576), "2 dim"),
        new Damage(
            "too few rows", file -> file.floats("0.logits", new float[480], 5, 96), "expected 6"),
        new Damage(
            "other width", file -> file.floats("0.hidden.1", new float[12], 6, 2), "expected 32"),
        new Damage(
            "token too large",
            file -> file.ints("0.input_ids", new int[] {1, 2, 3, 4, 5, 96}, 6),
            "less than 96"),
        new Damage(
            "negative token",
            file -> file.ints("0.input_ids", new int[] {1, 2, 3, 4, 5, -1}, 6),
            "found -1"),
        new Damage("not finite", file -> file.floats("0.logits", nan, 6, 96), "NaN"));
  }

  @ParameterizedTest
  @MethodSource("damagedOutputs")
  void rejectsMalformedOutputs(Damage damage) throws IOException {
    SafetensorsBuilder builder = outputs();
    damage.damage.accept(builder);
    Path file = builder.write(directory.resolve("reference.safetensors"));
    CorruptFileException thrown =
        assertThrows(CorruptFileException.class, () -> verify(file, MIXTRAL));
    assertTrue(thrown.getMessage().contains(damage.message), thrown.getMessage());
    assertTrue(thrown.getMessage().startsWith(file.toString()), thrown.getMessage());
  }

  static Stream<Damage> damagedWindows() {
    return Stream.of(
        new Damage("no tokens", file -> file.without("input_ids"), "input_ids"),
        new Damage("no best tokens", file -> file.without("top1"), "top1"),
        new Damage("other length", file -> file.floats("nll", new float[6], 1, 6), "expected 5"),
        new Damage("other count", file -> file.ints("top1", new int[10], 2, 5), "[1, 5]"),
        new Damage("too short", file -> file.ints("input_ids", TOKENS, 3, 2), "at least 3"),
        new Damage(
            "infinite",
            file -> file.floats("nll", new float[] {1, 2, 3, 4, Float.POSITIVE_INFINITY}, 1, 5),
            "Infinity"));
  }

  @ParameterizedTest
  @MethodSource("damagedWindows")
  void rejectsMalformedWindows(Damage damage) throws IOException {
    SafetensorsBuilder builder = windows();
    damage.damage.accept(builder);
    Path file = builder.write(directory.resolve("windows.safetensors"));
    CorruptFileException thrown =
        assertThrows(CorruptFileException.class, () -> verify(file, MIXTRAL));
    assertTrue(thrown.getMessage().contains(damage.message), thrown.getMessage());
  }

  record OtherModel(String name, Consumer<SafetensorsBuilder> change, String message) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<OtherModel> otherModels() {
    return Stream.of(
        new OtherModel(
            "vocabulary",
            file -> file.floats("0.logits", new float[6 * 100], 6, 100),
            "vocabulary: expected 96 as in the model verified, found 100"),
        new OtherModel(
            "layers",
            file -> file.floats("0.hidden.4", new float[6 * 32], 6, 32),
            "layers: expected 3"),
        new OtherModel(
            "routers",
            file -> file.floats("0.router.3", new float[6 * 6], 6, 6),
            "routers: expected 3"),
        new OtherModel(
            "greedy tokens",
            file -> file.ints("greedy.prompt", TOKENS, 6).ints("greedy.tokens", new int[] {96}, 1),
            "found 96"));
  }

  @ParameterizedTest
  @MethodSource("otherModels")
  void refusesOutputsOfAnotherModel(OtherModel other) throws IOException {
    SafetensorsBuilder builder = outputs();
    other.change.accept(builder);
    Path file = builder.write(directory.resolve("reference.safetensors"));
    MismatchedArtifactException thrown =
        assertThrows(MismatchedArtifactException.class, () -> verify(file, MIXTRAL));
    assertTrue(thrown.getMessage().contains(other.message), thrown.getMessage());
  }

  @Test
  void refusesExpertsForADenseModel() throws IOException {
    Path file = outputs().write(directory.resolve("reference.safetensors"));
    ReferenceModel dense = new ReferenceModel(new RandomWeights(RandomWeights.MISTRAL, 2));
    MismatchedArtifactException thrown =
        assertThrows(MismatchedArtifactException.class, () -> verify(file, dense));
    assertTrue(thrown.getMessage().contains("experts: expected 0"), thrown.getMessage());
  }

  @Test
  void refusesWindowsOfALargerVocabulary() throws IOException {
    Path file =
        windows()
            .ints("input_ids", new int[] {1, 2, 3, 4, 5, 96}, 1, 6)
            .write(directory.resolve("windows.safetensors"));
    assertThrows(MismatchedArtifactException.class, () -> verify(file, MIXTRAL));
  }

  @Test
  void passesTheModelThatWasRecorded() throws IOException {
    int[] greedy = NaiveCandidate.of(MIXTRAL).greedy(TOKENS, 4);
    Path file =
        outputs()
            .ints("greedy.prompt", TOKENS, TOKENS.length)
            .ints("greedy.tokens", greedy, 4)
            .write(directory.resolve("reference.safetensors"));
    VerificationReport report = verify(file, MIXTRAL);
    assertEquals(Verdict.PASS, report.verdict());
    EnumSet<Metric> all = EnumSet.allOf(Metric.class);
    all.removeIf(metric -> !metric.isLimitedByGates());
    assertEquals(all, EnumSet.copyOf(report.metrics().keySet()));
    assertEquals(4.0, report.metrics().get(Metric.GREEDY_MATCHED));
    assertEquals(6, report.scoredPositions());
    assertEquals(6, report.decodedPositions());
  }

  @Test
  void leavesOutWhatWasNotRecorded() throws IOException {
    SequenceOutputs outputs =
        NaiveCandidate.run(MIXTRAL, new int[] {1}, EnumSet.noneOf(LayerOutput.class));
    Path file =
        new SafetensorsBuilder().outputs(7, outputs).write(directory.resolve("one.safetensors"));
    VerificationReport report = verify(file, MIXTRAL);
    assertEquals(Verdict.PASS, report.verdict());
    assertFalse(report.metrics().containsKey(Metric.PERPLEXITY), "one token predicts nothing");
    assertFalse(report.metrics().containsKey(Metric.ROUTER_FLIPS));
    assertFalse(report.metrics().containsKey(Metric.HIDDEN_COSINE_MIN));
    assertFalse(report.metrics().containsKey(Metric.GREEDY_MATCHED));
  }

  @Test
  void measuresWindows() throws IOException {
    Path file = windows().write(directory.resolve("windows.safetensors"));
    try (Reference reference = Reference.open(file)) {
      assertInstanceOf(RecordedWindows.class, reference);
    }
    VerificationReport same = verify(file, MIXTRAL);
    assertEquals(Verdict.PASS, same.verdict());
    assertEquals(2, same.scoredPositions());
    assertEquals(1.0, same.metrics().get(Metric.TOP1_AGREEMENT));
    assertFalse(same.metrics().containsKey(Metric.KLD_MEAN));
    VerificationReport broken =
        verify(file, BrokenModels.wrongTheta(new RandomWeights(RandomWeights.MIXTRAL, 1)));
    assertTrue(MutationTest.failed(broken).contains(Metric.NLL_MAX_ABS));
  }

  private static VerificationReport verify(Path file, ReferenceModel model) throws IOException {
    try (Reference reference = Reference.open(file)) {
      return Verification.run(
          NaiveCandidate.of(model),
          reference,
          Gate.exact(),
          VerificationOptions.defaults(),
          ProgressListener.NONE);
    }
  }
}
