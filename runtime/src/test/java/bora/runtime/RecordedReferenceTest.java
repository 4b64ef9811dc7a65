package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.checkpoint.SafetensorsEntry;
import bora.formats.checkpoint.SafetensorsFile;
import bora.formats.checkpoint.SourceTensor;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What transformers computed in float32 of the same checkpoints, by prefill and by decode. */
final class RecordedReferenceTest {
  /** Both sides compute in float32, in other orders; logits are of magnitude 10. */
  private static final double MAX_LOGIT_DIFFERENCE = 2e-3;

  private static final double MAX_LOGITS_NMSE = 1e-9;

  /** Below this difference of router logits either choice is right. */
  private static final double NEAR_TIE = 1e-4;

  private static final double MAX_HIDDEN_DIFFERENCE = 2e-3;

  record Case(String modelName, KernelChoice kernels) {}

  static Stream<Case> cases() {
    return Stream.of("tiny-mistral", "tiny-mixtral")
        .flatMap(
            name ->
                Stream.of(KernelChoice.SCALAR, KernelChoice.VECTOR).map(k -> new Case(name, k)));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void matchesTheRecordedForwardPass(Case run) throws IOException {
    Path directory = directoryOf(run.modelName);
    try (Checkpoint checkpoint = Checkpoint.open(directory);
        SafetensorsFile reference = open(directory);
        Model model = open(checkpoint, run.kernels)) {
      for (int n = 0; reference.entries().containsKey(n + ".input_ids"); n++) {
        int[] tokens = ints(reference, n + ".input_ids");
        RecordingObserver prefilled = new RecordingObserver(model.config(), tokens.length);
        model.newSession(tokens.length).prefill(tokens, prefilled);
        assertMatches(reference, n, prefilled, model.config());

        RecordingObserver decoded = new RecordingObserver(model.config(), tokens.length);
        Session session = model.newSession(tokens.length);
        for (int token : tokens) {
          session.decode(token, decoded);
        }
        assertMatches(reference, n, decoded, model.config());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void generatesTheRecordedTokens(Case run) throws IOException {
    Path directory = directoryOf(run.modelName);
    try (Checkpoint checkpoint = Checkpoint.open(directory);
        SafetensorsFile reference = open(directory);
        Model model = open(checkpoint, run.kernels)) {
      int[] prompt = ints(reference, "greedy.prompt");
      int[] recorded = ints(reference, "greedy.tokens");
      Session session = model.newSession(prompt.length + recorded.length);
      Generator generator = new Generator(model, session, new Sampling.Greedy());
      assertArrayEquals(recorded, generator.generate(prompt, recorded.length, token -> true));
    }
  }

  private static void assertMatches(
      SafetensorsFile reference, int n, RecordingObserver heard, ModelConfig config) {
    double squares = 0;
    double squaredDifferences = 0;
    float[] logits = floats(reference, n + ".logits").orElseThrow();
    for (int i = 0; i < logits.length; i++) {
      float actual = heard.logits[i / config.vocabSize()][i % config.vocabSize()];
      double difference = actual - logits[i];
      assertEquals(0, difference, MAX_LOGIT_DIFFERENCE, n + ".logits " + i);
      squares += (double) logits[i] * logits[i];
      squaredDifferences += difference * difference;
    }
    double nmse = squaredDifferences / squares;
    assertTrue(nmse < MAX_LOGITS_NMSE, n + ".logits: NMSE " + nmse);
    for (int index = 0; index <= config.layerCount(); index++) {
      float[][] rows = heard.hidden[index];
      String name = n + ".hidden." + index;
      floats(reference, name).ifPresent(recorded -> assertHidden(name, recorded, rows));
    }
    if (config.hasRouter()) {
      for (int layer = 0; layer < config.layerCount(); layer++) {
        String name = n + ".router." + layer;
        float[] recorded = floats(reference, name).orElseThrow();
        assertRouting(name, recorded, heard.routerLogits[layer], config.expertsPerToken());
      }
    }
  }

  private static void assertHidden(String name, float[] recorded, float[][] rows) {
    for (int i = 0; i < recorded.length; i++) {
      int width = rows[0].length;
      assertEquals(recorded[i], rows[i / width][i % width], MAX_HIDDEN_DIFFERENCE, name + " " + i);
    }
  }

  private static void assertRouting(
      String name, float[] recorded, float[][] rows, int expertsPerToken) {
    int expertCount = rows[0].length;
    ExpertRouter router = new ExpertRouter(expertCount, expertsPerToken);
    int compared = 0;
    for (int position = 0; position < rows.length; position++) {
      float[] row =
          Arrays.copyOfRange(recorded, position * expertCount, (position + 1) * expertCount);
      float[] sorted = row.clone();
      Arrays.sort(sorted);
      int next = expertCount - expertsPerToken - 1;
      if (sorted[next + 1] - sorted[next] > NEAR_TIE) {
        assertArrayEquals(
            sortedChoice(router, row, expertsPerToken),
            sortedChoice(router, rows[position], expertsPerToken),
            name + " position " + position);
        compared++;
      }
    }
    assertTrue(compared > rows.length / 2, name + ": only " + compared + " choices are clear");
  }

  private static int[] sortedChoice(ExpertRouter router, float[] logits, int expertsPerToken) {
    int[] experts = new int[expertsPerToken];
    router.choose(logits, 0, experts, 0);
    Arrays.sort(experts);
    return experts;
  }

  private static Model open(Checkpoint checkpoint, KernelChoice kernels) throws IOException {
    Map<TensorKey, EncodedTensor> tensors = new HashMap<>();
    for (TensorKey key : checkpoint.config().tensors().keySet()) {
      SourceTensor source = checkpoint.tensor(key);
      float[] values = new float[Math.toIntExact(source.shape().elementCount())];
      source.readRows(0, source.shape().rows(), values, 0);
      tensors.put(key, EncodedTensors.encode(Encoding.F32, source.shape(), values, new Random(0)));
    }
    return Model.of(checkpoint.config(), tensors::get, new RuntimeOptions(2, kernels));
  }

  private static SafetensorsFile open(Path directory) throws IOException {
    return SafetensorsFile.open(directory.resolve("reference.safetensors"));
  }

  /** In the examples of this repository, or in a folder named shared beside a checkout. */
  private static Path directoryOf(String modelName) {
    for (Path at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
      for (Path parent : new Path[] {at.resolve("examples"), at.resolve("shared/models")}) {
        if (Files.exists(parent.resolve(modelName).resolve("reference.safetensors"))) {
          return parent.resolve(modelName);
        }
      }
    }
    assumeTrue(false, "neither examples/" + modelName + " nor shared/models/" + modelName);
    throw new AssertionError("skipped");
  }

  private static int[] ints(SafetensorsFile file, String name) {
    SafetensorsEntry entry = file.entries().get(name);
    int[] values = new int[(int) (entry.bytes().byteSize() / Integer.BYTES)];
    for (int i = 0; i < values.length; i++) {
      values[i] = entry.bytes().get(LittleEndian.INT, 4L * i);
    }
    return values;
  }

  private static Optional<float[]> floats(SafetensorsFile file, String name) {
    return Optional.ofNullable(file.entries().get(name))
        .map(
            entry -> {
              float[] values = new float[(int) (entry.bytes().byteSize() / Float.BYTES)];
              for (int i = 0; i < values.length; i++) {
                values[i] = entry.bytes().get(LittleEndian.FLOAT, 4L * i);
              }
              return values;
            });
  }
}
