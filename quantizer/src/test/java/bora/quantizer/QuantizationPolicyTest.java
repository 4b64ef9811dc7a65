package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.ProgressListener;
import bora.formats.encoding.Encoding;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class QuantizationPolicyTest {
  private static final ModelConfig MIXTRAL = TestWeights.config(Architecture.MIXTRAL, 3, 8);
  private static final ModelConfig MISTRAL = TestWeights.config(Architecture.MISTRAL, 3, 1);

  @TempDir private Path directory;

  private QuantizationPolicy policy(String json) throws IOException {
    return QuantizationPolicy.read(Files.writeString(directory.resolve("policy.json"), json));
  }

  private static Map<TensorKey, Encoding> plan(ModelConfig config, QuantizationPolicy policy)
      throws IOException {
    return plan(config, policy, TestWeights.model(config));
  }

  private static Map<TensorKey, Encoding> plan(
      ModelConfig config, QuantizationPolicy policy, Map<TensorKey, SampledMatrix> weights)
      throws IOException {
    return Planner.plan(
            config, TestWeights.FINGERPRINT, weights::get, policy, ProgressListener.NONE)
        .encodings();
  }

  @ParameterizedTest
  @ValueSource(strings = {"f32", "bf16", "q8", "q6", "q4"})
  void givesEverythingButNormsAndRoutersTheEncodingOfItsName(String name) throws IOException {
    plan(MIXTRAL, QuantizationPolicy.named(name))
        .forEach(
            (key, encoding) ->
                assertEquals(
                    key.role().isExact() ? "f32" : name, encoding.jsonName(), key.toString()));
  }

  @Test
  void balancedGradesTheExpertsOfALayer() throws IOException {
    Map<TensorKey, SampledMatrix> weights = TestWeights.model(MIXTRAL);
    scaleExpert(weights, 1, 6, 3);
    scaleExpert(weights, 1, 2, 1.3f);
    Map<TensorKey, Encoding> encodings = plan(MIXTRAL, QuantizationPolicy.balanced(), weights);
    for (int layer = 0; layer < 3; layer++) {
      assertEquals(Encoding.Q8, encodings.get(TensorKey.ofLayer(layer, TensorRole.KEY)));
      int finer = 0;
      for (int expert = 0; expert < 8; expert++) {
        boolean q4 = encodings.get(gate(layer, expert)) == Encoding.Q4;
        finer += q4 ? 0 : 1;
        assertEquals(
            layer == 1 && q4 ? Encoding.Q4 : encodings.get(gate(layer, expert)),
            layer == 1 ? encodings.get(down(layer, expert)) : encodings.get(gate(layer, expert)));
      }
      assertEquals(2, finer, "layer " + layer);
    }
    assertEquals(Encoding.Q8, encodings.get(gate(1, 6)));
    assertEquals(Encoding.Q6, encodings.get(gate(1, 2)));
    assertEquals(Encoding.Q4, encodings.get(gate(1, 0)));
  }

  private static void scaleExpert(
      Map<TensorKey, SampledMatrix> weights, int layer, int expert, float factor) {
    float[] values = weights.get(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP)).values();
    for (int i = 0; i < values.length; i++) {
      values[i] *= factor;
    }
  }

  private static TensorKey gate(int layer, int expert) {
    return TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE);
  }

  private static TensorKey down(int layer, int expert) {
    return TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN);
  }

  @Test
  void balancedGivesADenseModelFinerDownProjectionsAndOuterLayers() throws IOException {
    Map<TensorKey, Encoding> encodings = plan(MISTRAL, QuantizationPolicy.balanced());
    assertEquals(Encoding.Q6, encodings.get(gate(0, 0)));
    assertEquals(Encoding.Q4, encodings.get(gate(1, 0)));
    assertEquals(Encoding.Q6, encodings.get(gate(2, 0)));
    assertEquals(Encoding.Q6, encodings.get(down(1, 0)));
    assertEquals(Encoding.Q8, encodings.get(TensorKey.ofModel(TensorRole.LM_HEAD)));
  }

  @Test
  void takesTheFirstRuleThatMatches() throws IOException {
    QuantizationPolicy policy =
        policy(
            """
            {"name": "p", "default": "q4", "rules": [
              {"roles": ["w1", "w3"], "layers": "0-1", "experts": "3,7", "encoding": "bf16"},
              {"roles": ["experts"], "layers": "0,last", "encoding": "q6"},
              {"experts": "last", "encoding": "q8"},
              {"roles": ["attention"], "encoding": "f32"}]}
            """);
    Map<TensorKey, Encoding> encodings = plan(MIXTRAL, policy);
    assertEquals(Encoding.BF16, encodings.get(gate(0, 3)));
    assertEquals(Encoding.Q6, encodings.get(down(0, 3)));
    assertEquals(Encoding.Q6, encodings.get(gate(0, 2)));
    assertEquals(Encoding.BF16, encodings.get(gate(1, 7)));
    assertEquals(Encoding.Q8, encodings.get(down(1, 7)));
    assertEquals(Encoding.Q4, encodings.get(gate(1, 2)));
    assertEquals(Encoding.Q6, encodings.get(gate(2, 7)));
    assertEquals(Encoding.F32, encodings.get(TensorKey.ofLayer(2, TensorRole.VALUE)));
    assertEquals(Encoding.Q4, encodings.get(TensorKey.ofModel(TensorRole.EMBEDDING)));
  }

  /** A rule and a part of the message about it. */
  static List<Arguments> malformedRules() {
    return List.of(
        Arguments.of("{\"encoding\": \"q9\"}", "rules[1].encoding: expected one of [f32, bf16,"),
        Arguments.of("{\"encoding\": 4}", "rules[1].encoding: expected a string, found 4"),
        Arguments.of("{\"roles\": [\"w1\"]}", "rules[1].encoding: missing"),
        Arguments.of("{\"rolls\": [], \"encoding\": \"q4\"}", "rules[1].rolls: unknown"),
        Arguments.of(rule("\"roles\": []"), "rules[1].roles: expected at least one role"),
        Arguments.of(rule("\"roles\": [\"w4\"]"), "[attention, experts, embedding, q, k, v, o,"),
        Arguments.of(rule("\"roles\": [\"w4\"]"), "found w4"),
        Arguments.of(rule("\"roles\": [\"router\"]"), "always kept exactly"),
        Arguments.of(rule("\"roles\": [\"output_norm\"]"), "always kept exactly"),
        Arguments.of(rule("\"layers\": \"3-1\""), "rules[1].layers: expected ascending"),
        Arguments.of(rule("\"layers\": \"\""), "rules[1].layers: expected ascending"),
        Arguments.of(rule("\"layers\": \"last-0\""), "rules[1].layers: expected ascending"),
        Arguments.of(rule("\"layers\": \"1,,2\""), "rules[1].layers: expected ascending"),
        Arguments.of(rule("\"experts\": \"-1\""), "rules[1].experts: expected ascending"),
        Arguments.of(rule("\"experts\": \"a\""), "found a"),
        Arguments.of(rule("\"experts\": \"1\", \"roles\": [\"q\"]"), "roles of experts"),
        Arguments.of(rule("\"mostSensitivePercent\": 9, \"roles\": [\"q\"]"), "roles of experts"),
        Arguments.of(rule("\"layers\": \"1\", \"roles\": [\"embedding\"]"), "roles of layers"),
        Arguments.of(rule("\"mostSensitivePercent\": 0"), "expected 1 to 100, found 0"),
        Arguments.of(rule("\"mostSensitivePercent\": 2.5"), "expected an integer, found 2.5"),
        Arguments.of(rule("\"sensitivityAboveMedian\": 0.5"), "at least 1, found 0.5"),
        Arguments.of(
            rule("\"sensitivityAboveMedian\": 2, \"mostSensitivePercent\": 5"),
            "expected no other condition on sensitivity"),
        Arguments.of(rule("\"architecture\": \"llama\""), "expected one of [mistral, mixtral]"),
        Arguments.of("7", "expected a list of objects"));
  }

  private static String rule(String conditions) {
    return "{" + conditions + ", \"encoding\": \"q4\"}";
  }

  @ParameterizedTest
  @MethodSource("malformedRules")
  void refusesAMalformedRule(String rule, String message) {
    String json =
        "{\"name\": \"p\", \"default\": \"q4\", \"rules\": ["
            + "{\"roles\": [\"q\"], \"encoding\": \"q8\"}, "
            + rule
            + "]}";
    assertMessage(assertThrows(CorruptFileException.class, () -> policy(json)), message);
  }

  static List<Arguments> malformedFiles() {
    return List.of(
        Arguments.of("", "JSON"),
        Arguments.of("[]", "expected a JSON object"),
        Arguments.of("{\"name\": \"p\", \"rules\": []}", "default: missing"),
        Arguments.of("{\"rules\": [], \"default\": \"q4\"}", "name: missing"),
        Arguments.of("{\"name\": \" \", \"rules\": [], \"default\": \"q4\"}", "name: expected"),
        Arguments.of("{\"name\": \"p\", \"default\": \"q4\"}", "rules: missing"),
        Arguments.of(
            "{\"name\": \"p\", \"rules\": [], \"default\": \"q4\", \"defaults\": 1}",
            "defaults: unknown"),
        Arguments.of("{\"name\": \"p\", \"name\": \"p\"}", "uplicate"),
        Arguments.of("{\"name\": \"p\", \"rules\": [], \"default\": \"q4\"} x", "JSON"));
  }

  @ParameterizedTest
  @MethodSource("malformedFiles")
  void refusesAMalformedFile(String json, String message) {
    assertMessage(assertThrows(CorruptFileException.class, () -> policy(json)), message);
  }

  /** Two rules of which the second does not suit a Mixtral of 3 layers and 8 experts. */
  static List<Arguments> unsuitableRules() {
    return List.of(
        Arguments.of(rule("\"roles\": [\"q\"]"), rule("\"layers\": \"1-3\""), "at most 2, found 3"),
        Arguments.of(rule("\"roles\": [\"q\"]"), rule("\"experts\": \"8\""), "at most 7, found 8"),
        Arguments.of(rule("\"roles\": [\"attention\"]"), rule("\"roles\": [\"q\"]"), "never match"),
        Arguments.of(rule("\"layers\": \"0-last\""), rule("\"experts\": \"1\""), "never match"),
        Arguments.of(
            rule("\"layers\": \"0-last\""), rule("\"mostSensitivePercent\": 1"), "never match"));
  }

  @ParameterizedTest
  @MethodSource("unsuitableRules")
  void refusesARuleThatDoesNotSuitTheModel(String first, String second, String message)
      throws IOException {
    QuantizationPolicy policy =
        policy(
            "{\"name\": \"p\", \"default\": \"q4\", \"rules\": [" + first + ", " + second + "]}");
    CorruptFileException thrown =
        assertThrows(CorruptFileException.class, () -> plan(MIXTRAL, policy));
    assertMessage(thrown, message);
    assertMessage(thrown, "rules[1]: ");
  }

  @Test
  void exemptsRulesForOtherModels() throws IOException {
    QuantizationPolicy policy =
        policy(
            """
            {"name": "p", "default": "q4", "rules": [
              {"mostSensitivePercent": 50, "encoding": "q8"},
              {"architecture": "mixtral", "experts": "5", "encoding": "q8"}]}
            """);
    assertEquals(Encoding.Q4, plan(MISTRAL, policy).get(gate(0, 0)));
  }

  private void assertMessage(CorruptFileException thrown, String part) {
    assertTrue(thrown.getMessage().contains(part), thrown.getMessage());
    assertTrue(
        thrown.getMessage().startsWith(directory.resolve("policy.json") + ": "),
        thrown.getMessage());
  }

  @Test
  void refusesAnUnknownName() {
    IllegalArgumentException thrown =
        assertThrows(IllegalArgumentException.class, () -> QuantizationPolicy.named("q7"));
    assertTrue(thrown.getMessage().contains("balanced"), thrown.getMessage());
  }

  @Test
  void shipsExamplesThatSuitEightExperts() throws IOException {
    Path examples = Path.of("..", "examples", "policies");
    List<Path> files;
    try (Stream<Path> list = Files.list(examples)) {
      files = list.sorted().toList();
    }
    assertTrue(files.size() >= 3, files.toString());
    for (Path file : files) {
      QuantizationPolicy policy = QuantizationPolicy.read(file);
      assertEquals(file.getFileName().toString(), policy.name() + ".json");
      plan(MIXTRAL, policy);
    }
  }

  @Test
  void mixesEncodingsInsideOneLayerInTheExample() throws IOException {
    Path file = Path.of("..", "examples", "policies", "mixed-experts.json");
    Map<TensorKey, Encoding> encodings = plan(MIXTRAL, QuantizationPolicy.read(file));
    assertEquals(Encoding.Q6, encodings.get(gate(0, 0)));
    assertEquals(Encoding.Q8, encodings.get(down(0, 0)));
    assertEquals(Encoding.BF16, encodings.get(gate(0, 1)));
    assertEquals(Encoding.Q4, encodings.get(gate(0, 2)));
    assertEquals(Encoding.Q6, encodings.get(down(0, 4)));
  }
}
