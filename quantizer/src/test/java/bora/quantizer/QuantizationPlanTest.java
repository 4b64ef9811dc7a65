package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.UnsupportedVersionException;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.Architecture;
import bora.formats.model.KnownModel;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.ByteRange;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class QuantizationPlanTest {
  private static final ModelConfig CONFIG = TestWeights.config(Architecture.MIXTRAL, 2, 4);

  @TempDir private Path directory;
  private Path file;
  private QuantizationPlan plan;

  @BeforeEach
  void makePlan() throws IOException {
    file = directory.resolve("plan.json");
    Map<TensorKey, SampledMatrix> weights = TestWeights.model(CONFIG);
    plan =
        Planner.plan(
            CONFIG,
            TestWeights.FINGERPRINT,
            weights::get,
            QuantizationPolicy.balanced(),
            ProgressListener.NONE);
  }

  @Test
  void readsWhatItWrote() throws IOException {
    plan.write(file);
    QuantizationPlan read = QuantizationPlan.read(file, CONFIG, TestWeights.FINGERPRINT);
    assertEquals(plan, read);
    assertEquals(plan.sha256(), read.sha256());
    Path again = directory.resolve("again.json");
    read.write(again);
    assertArrayEquals(Files.readAllBytes(file), Files.readAllBytes(again));
  }

  @Test
  void predictsTheBytesOfThePack() {
    long laidOut =
        plan.layout(new TreeMap<>()).tensors().values().stream()
            .mapToLong(ByteRange::lengthBytes)
            .sum();
    assertEquals(laidOut, plan.weightBytes());
  }

  @Test
  void refusesThePlanOfAnotherCheckpoint() throws IOException {
    plan.write(file);
    MismatchedArtifactException thrown =
        assertThrows(
            MismatchedArtifactException.class,
            () -> QuantizationPlan.read(file, CONFIG, "cd".repeat(32)));
    assertTrue(thrown.getMessage().contains(TestWeights.FINGERPRINT), thrown.getMessage());
  }

  @Test
  void refusesAPlanOfANewerVersion() throws IOException {
    edit("\"version\" : 1", "\"version\" : 2");
    assertThrows(
        UnsupportedVersionException.class,
        () -> QuantizationPlan.read(file, CONFIG, TestWeights.FINGERPRINT));
  }

  /** An edit of the plan's text and a part of the message about it. */
  static List<Arguments> damages() {
    return List.of(
        Arguments.of("\"version\" : 1", "\"version\" : 0", "version: expected 1, found 0"),
        Arguments.of("\"encoding\" : \"q8\"", "\"encoding\" : \"q9\"", "expected one of [f32"),
        Arguments.of(
            "\"encoding\" : \"q8\"", "\"encoding\" : \"q6\"", "tensors[0].bytes: expected"),
        Arguments.of("\"layerCount\" : 2", "\"layerCount\" : 3", "config: expected"),
        Arguments.of("\"expert\" : 0", "\"expert\" : 1", "canonical order"),
        Arguments.of("\"shape\" : [ 96, 64 ]", "\"shape\" : [ 96, 63 ]", "expected shape"),
        Arguments.of("\"shape\" : [ 96, 64 ]", "\"shape\" : [ 0, 64 ]", "positive dimensions"),
        Arguments.of("\"weightBytes\" : ", "\"weightBytes\" : 1", "weightBytes: expected"),
        Arguments.of("\"policy\"", "\"colour\" : 1, \"policy\"", "colour: unknown"));
  }

  @ParameterizedTest
  @MethodSource("damages")
  void refusesADamagedPlan(String from, String to, String message) throws IOException {
    edit(from, to);
    CorruptFileException thrown =
        assertThrows(
            CorruptFileException.class,
            () -> QuantizationPlan.read(file, CONFIG, TestWeights.FINGERPRINT));
    assertTrue(thrown.getMessage().contains(message), thrown.getMessage());
  }

  private void edit(String from, String to) throws IOException {
    plan.write(file);
    String text = Files.readString(file);
    int at = text.indexOf(from);
    assertTrue(at >= 0, from);
    Files.writeString(file, text.substring(0, at) + to + text.substring(at + from.length()));
  }

  @Test
  void rendersALineALayerAndTotals() {
    List<String> lines = PlanTable.render(plan).lines().toList();
    assertEquals("layer  attention  expert 0  expert 1  expert 2  expert 3", strip(lines.get(0)));
    assertTrue(lines.get(1).startsWith("0      q8 "), lines.get(1));
    assertTrue(lines.get(1).contains("q4/q4/q6"), lines.get(1));
    assertTrue(lines.getLast().startsWith("all "), lines.getLast());
    assertTrue(lines.getLast().contains(Long.toString(plan.weightBytes())), lines.getLast());
    assertTrue(lines.size() < 30, "found " + lines.size() + " lines");
  }

  @Test
  void plansAndEncodesACheckpointAsItPredicted() throws IOException {
    Path example = Path.of("..", "examples", "tiny-mixtral");
    try (Checkpoint checkpoint = Checkpoint.open(example)) {
      QuantizationPlan made =
          Planner.plan(checkpoint, QuantizationPolicy.balanced(), ProgressListener.NONE);
      assertEquals(checkpoint.fingerprint(), made.checkpoint());
      TensorEncoder encoder = new TensorEncoder();
      long bytes = 0;
      for (PlannedTensor tensor : made.tensors()) {
        WeightSource source = WeightSource.of(checkpoint.tensor(tensor.key()));
        byte[] encoded = TestWeights.bytes(encoder, source, tensor.encoding());
        assertEquals(tensor.bytes(), encoded.length, tensor.key().toString());
        bytes += encoded.length;
      }
      assertEquals(made.weightBytes(), bytes);
    }
  }

  private static String strip(String line) {
    return line.replaceAll("  +", "  ");
  }

  @Test
  void plansThePublishedModelsWithoutReadingWeightsForAUniformPolicy() throws IOException {
    ModelConfig config = KnownModel.MIXTRAL_8X7B_V0_1.config();
    QuantizationPlan uniform =
        Planner.plan(
            config,
            TestWeights.FINGERPRINT,
            key -> new SampledMatrix(key, config.tensors().get(key), new float[0]),
            QuantizationPolicy.named("q4"),
            ProgressListener.NONE);
    // Of 4096 columns: 4 bits of code, 4/64 of sub-scale, 16/4096 of row scale and as much to fill
    // the scales to a multiple of 64 bytes; w2 a little less, norms and routers more.
    assertEquals(4.0703, uniform.bitsPerWeight(), 0.001);
  }
}
