package bora.verifier;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.UnsupportedVersionException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ReferenceBundleTest {
  private static final WeightSource WEIGHTS = new RandomWeights(RandomWeights.MIXTRAL, 1);

  @TempDir private Path directory;

  private Path file;

  @BeforeEach
  void choosePlace() {
    file = directory.resolve("bundle.safetensors");
  }

  private void capture(int top) throws IOException {
    new BundleWriter(top, 6)
        .write(
            new ReferenceModel(WEIGHTS),
            RandomWeights.windows(WEIGHTS.config(), 8, 32, 3),
            Map.of("corpusSha256", "abc"),
            file,
            ProgressListener.NONE);
  }

  private VerificationReport verify(Candidate candidate) throws IOException {
    try (Reference reference = Reference.open(file)) {
      return Verification.run(
          candidate,
          reference,
          Gate.exact(),
          VerificationOptions.defaults(),
          ProgressListener.NONE);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 16, 96})
  void passesTheModelItself(int top) throws IOException {
    capture(top);
    VerificationReport report = verify(NaiveCandidate.of(new ReferenceModel(WEIGHTS)));
    assertEquals(List.of(), MutationTest.failed(report), report.metrics()::toString);
    assertEquals(0, report.metrics().get(Metric.KLD_MEAN), 1e-7);
    assertEquals(8 * 15, report.scoredPositions());
    assertEquals("abc", report.reference().get("corpusSha256"));
  }

  @Test
  void measuresWithAllLogitsWhatFullOutputsMeasure() throws IOException {
    capture(WEIGHTS.config().vocabSize());
    Candidate candidate = NaiveCandidate.of(BrokenModels.notRenormalised(WEIGHTS, 1));
    VerificationReport bundled = verify(candidate);
    VerificationReport full = MutationTest.verify(WEIGHTS, candidate, Gate.exact());
    for (Metric metric :
        List.of(
            Metric.KLD_MEAN,
            Metric.KLD_REVERSE_MEAN,
            Metric.LOGITS_MAX_ABS,
            Metric.TOP1_AGREEMENT,
            Metric.TOP5_AGREEMENT,
            Metric.PERPLEXITY,
            Metric.ROUTER_FLIPS)) {
      double expected = full.metrics().get(metric);
      assertEquals(expected, bundled.metrics().get(metric), 1e-5 * expected, metric::id);
    }
  }

  @Test
  void neverExaggeratesADivergence() throws IOException {
    Candidate candidate = NaiveCandidate.of(BrokenModels.notRenormalised(WEIGHTS, 1));
    double full =
        MutationTest.verify(WEIGHTS, candidate, Gate.exact()).metrics().get(Metric.KLD_MEAN);
    capture(8);
    double bundled = verify(candidate).metrics().get(Metric.KLD_MEAN);
    assertTrue(bundled > 0 && bundled <= full, bundled + " of " + full);
  }

  @Test
  void namesTheFault() throws IOException {
    capture(16);
    Candidate swapped =
        NaiveCandidate.of(new ReferenceModel(AlteredWeights.swapExperts(WEIGHTS, 1, 1, 4)));
    VerificationReport report = verify(swapped);
    assertEquals(Verdict.FAIL, report.verdict());
    assertTrue(report.fault().orElseThrow().toString().startsWith("layer 1"));
  }

  @Test
  void equalRunsWriteEqualBytes() throws IOException {
    capture(4);
    byte[] first = Files.readAllBytes(file);
    capture(4);
    assertEquals(-1, java.util.Arrays.mismatch(first, Files.readAllBytes(file)));
  }

  @Test
  void refusesAnotherModelsAnotherVersionsAndDamagedBundles() throws IOException {
    capture(4);
    Candidate dense =
        NaiveCandidate.of(new ReferenceModel(new RandomWeights(RandomWeights.MISTRAL, 2)));
    assertThrows(MismatchedArtifactException.class, () -> verify(dense));
    String text = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
    rewrite(text.replace("\"version\":\"1\"", "\"version\":\"7\""));
    assertThrows(UnsupportedVersionException.class, () -> Reference.open(file));
    rewrite(text.replace("0.top.logits", "0.top.logitz"));
    assertThrows(CorruptFileException.class, () -> Reference.open(file));
    rewrite(text.replace("0.logsumexp", "0.logsumexq"));
    assertThrows(CorruptFileException.class, () -> Reference.open(file));
  }

  private void rewrite(String text) throws IOException {
    Files.write(file, text.getBytes(StandardCharsets.ISO_8859_1));
  }
}
