package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.checkpoint.SafetensorsFile;
import bora.formats.encoding.LittleEndian;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** The command line as scripts see it: exit codes, streams, documents. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MainTest {
  private static final Path MIXTRAL = CommandLineRun.example("tiny-mixtral");
  private static final Path MISTRAL = CommandLineRun.example("tiny-mistral");

  private Path directory;
  private Path pack;
  private CommandLineRun build;

  @BeforeAll
  void buildsTheExample(@TempDir Path temporary) {
    directory = temporary;
    pack = directory.resolve("mixtral.bora");
    build = CommandLineRun.of("build", MIXTRAL, "-o", pack);
  }

  private static JsonNode json(CommandLineRun run) throws IOException {
    return new ObjectMapper().readTree(run.out());
  }

  @Test
  void buildConvertsVerifiesAndPrintsTheMemoryTable() {
    assertEquals(0, build.exitCode(), build.err());
    assertTrue(build.out().contains("PASS"), build.out());
    assertTrue(build.out().contains("16GB"), build.out());
    assertTrue(build.err().contains("recorded reference"), build.err());
    assertFalse(
        (build.out() + build.err()).contains("\u001b"), "terminal codes without a terminal");
  }

  @Test
  void commandsAreFoundByTheirNames() {
    for (String name : Main.COMMANDS) {
      assertEquals(name, Main.command(name).getAnnotation(CommandLine.Command.class).name());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"--version", "-V"})
  void saysItsVersion(String option) {
    CommandLineRun run = CommandLineRun.of(option);
    assertEquals(0, run.exitCode());
    assertTrue(run.out().matches("bora \\d+\\.\\d+\\.\\d+\\R"), run.out());
  }

  @Test
  void theDefaultPolicyMixesEncodingsAmongTheExpertsOfALayer() throws IOException {
    Map<Integer, Set<String>> encodingsOfLayer = new HashMap<>();
    for (JsonNode tensor : json(CommandLineRun.of("inspect", pack, "--json")).get("tensors")) {
      if (tensor.get("role").asText().equals("w1")) {
        encodingsOfLayer
            .computeIfAbsent(tensor.get("layer").asInt(), layer -> new TreeSet<>())
            .add(tensor.get("encoding").asText());
      }
    }
    assertEquals(Set.of(0, 1, 2), encodingsOfLayer.keySet());
    encodingsOfLayer.values().forEach(encodings -> assertTrue(encodings.size() > 1));
  }

  @Test
  void inspectGivesTheKeysThatScriptsRelyOn() throws IOException {
    JsonNode document = json(CommandLineRun.of("inspect", pack, "--json", "--check"));
    for (String key :
        List.of(
            "format",
            "config",
            "bytes",
            "weightBytes",
            "bitsPerWeight",
            "tensors",
            "sources",
            "attachments")) {
      assertTrue(document.has(key), key);
    }
    assertEquals(Files.size(pack), document.get("bytes").asLong());
    JsonNode tensor = document.get("tensors").get(0);
    assertEquals("embedding", tensor.get("key").asText());
    assertTrue(tensor.get("layer").isNull());
  }

  @ParameterizedTest
  @ValueSource(strings = {"Mistral-7B-v0.2", "mixtral-8x7b-V0.1"})
  void estimateKnowsPublishedModelsInAnyCase(String name) throws IOException {
    CommandLineRun run = CommandLineRun.of("estimate", name, "--json", "--gpu", "24GiB");
    JsonNode document = json(run);
    assertEquals(0, run.exitCode());
    long sum = 0;
    for (JsonNode component : document.get("components")) {
      sum += component.asLong();
    }
    assertEquals(sum, document.get("total").asLong());
    assertTrue(document.get("fits").has("24GiB"));
    assertTrue(document.get("maxContext").has("24GiB"));
  }

  @Test
  void estimateComparesModelsSideBySide() throws IOException {
    String[] models = {"mistral-7b-v0.2", "mixtral-8x7b-v0.1"};
    JsonNode document = json(CommandLineRun.of("estimate", models[0], models[1], "--json"));
    for (int i = 0; i < models.length; i++) {
      JsonNode alone = json(CommandLineRun.of("estimate", models[i], "--json"));
      JsonNode compared = document.get("models").get(i);
      assertEquals(models[i], compared.get("model").asText());
      assertEquals(alone.get("total"), compared.get("total"));
    }
    CommandLineRun text = CommandLineRun.of("estimate", models[0], models[1]);
    assertTrue(text.out().contains("most context in 100GB"), text.out());
  }

  @Test
  void estimateWarnsWhereTheUnitDecides() throws IOException {
    long total =
        json(CommandLineRun.of("estimate", "mistral-7b-v0.2", "--json")).get("total").asLong();
    String between = Math.ceilDiv(total, 1L << 30) + "GB";
    assertTrue(total > Math.ceilDiv(total, 1L << 30) * 1_000_000_000L, "the units differ here");
    CommandLineRun run = CommandLineRun.of("estimate", "mistral-7b-v0.2", "--gpu", between);
    assertTrue(run.out().contains("does not fit " + between + ", but"), run.out());
    assertEquals(
        1,
        json(CommandLineRun.of("estimate", "mistral-7b-v0.2", "--gpu", between, "--json"))
            .get("warnings")
            .size());
  }

  @Test
  void inspectCountsParametersOfAModelByName() throws IOException {
    JsonNode document = json(CommandLineRun.of("inspect", "mixtral-8x7b-v0.1", "--json"));
    assertEquals(46_702_792_704L, document.get("parameters").get("total").asLong());
    assertEquals(12.88e9, document.get("parameters").get("active").asDouble(), 5e6);
  }

  @ParameterizedTest
  @ValueSource(strings = {"f32", "bf16"})
  void exactPacksComputeWhatTransformersComputed(String policy) throws IOException {
    for (Path checkpoint : List.of(MIXTRAL, MISTRAL)) {
      Path exact = directory.resolve(checkpoint.getFileName() + "-" + policy + ".bora");
      assertEquals(
          0, CommandLineRun.of("convert", checkpoint, "-o", exact, "--policy", policy).exitCode());
      for (String reference : List.of("reference", "windows")) {
        Path recorded = checkpoint.resolve(reference + ".safetensors");
        CommandLineRun run = CommandLineRun.of("verify", exact, "--reference", recorded, "--json");
        assertEquals(0, run.exitCode(), run.out());
        assertEquals("default, exact", json(run).get("gate").asText());
      }
    }
  }

  @Test
  void generateContinuesAsTransformersDid() throws IOException {
    Path exact = directory.resolve("greedy.bora");
    CommandLineRun.of("convert", MIXTRAL, "-o", exact, "--policy", "bf16");
    String prompt;
    String continuation;
    try (SafetensorsFile recorded =
        SafetensorsFile.open(MIXTRAL.resolve("reference.safetensors"))) {
      prompt = tokens(recorded, "greedy.prompt");
      continuation = tokens(recorded, "greedy.tokens");
    }
    int count = continuation.split(",").length;
    CommandLineRun run =
        CommandLineRun.of("generate", exact, "--tokens", prompt, "-n", count, "--json");
    assertEquals(0, run.exitCode(), run.err());
    List<String> generated = new ArrayList<>();
    json(run).get("tokens").forEach(token -> generated.add(token.asText()));
    assertEquals(continuation, String.join(",", generated));
  }

  private static String tokens(SafetensorsFile file, String name) {
    int[] tokens = file.entries().get(name).bytes().toArray(LittleEndian.INT);
    return Arrays.stream(tokens).mapToObj(String::valueOf).collect(Collectors.joining(","));
  }

  @Test
  void aFailedGateIsExitCodeOneWithAReport() throws IOException {
    Path gate = directory.resolve("gate.json");
    Files.writeString(gate, "{\"name\": \"strict\", \"limits\": {\"kld.mean\": {\"atMost\": 0}}}");
    Path report = directory.resolve("report.json");
    CommandLineRun run =
        CommandLineRun.of(
            "verify",
            pack,
            "--reference",
            MIXTRAL.resolve("reference.safetensors"),
            "--gate",
            gate,
            "--report",
            report,
            "--json");
    assertEquals(1, run.exitCode());
    assertEquals("fail", json(run).get("verdict").asText());
    assertEquals(run.out(), Files.readString(report));
  }

  @Test
  void verifiesAgainstTheCheckpointByTheNaiveModel() throws IOException {
    Path tokens = directory.resolve("tokens.txt");
    Files.writeString(tokens, "1 17 300 42 7 99 1024 5 6 2000 31 8 77 12 650 3");
    CommandLineRun run =
        CommandLineRun.of(
            "verify", pack, "--against", MIXTRAL, "--tokens", tokens, "--window", 16, "--json");
    assertEquals(0, run.exitCode(), run.out() + run.err());
    assertTrue(json(run).get("metrics").has("router.agreement"));
  }

  static Stream<Arguments> wrongUses() {
    return Stream.of(
        Arguments.of(List.of(), "missing command"),
        Arguments.of(List.of("nonsense"), "nonsense"),
        Arguments.of(List.of("convert"), "CHECKPOINT"),
        Arguments.of(List.of("convert", "x"), "--output"),
        Arguments.of(List.of("estimate", "mistral-7b-v0.1", "--gpu", "16"), "GiB"),
        Arguments.of(List.of("estimate", "mistral-7b-v0.1", "--batch", "0"), "--batch"),
        Arguments.of(List.of("verify", "x"), "--reference"),
        Arguments.of(List.of("convert", "x", "-o", "y", "--threads", "two"), "--threads"));
  }

  @ParameterizedTest
  @MethodSource("wrongUses")
  void wrongUseIsExitCodeTwo(List<String> words, String complaint) {
    CommandLineRun run = CommandLineRun.of(words.toArray());
    assertEquals(2, run.exitCode(), run.err());
    assertTrue(run.err().contains(complaint), run.err());
    assertEquals("", run.out());
  }

  Stream<Arguments> badInputs() {
    Path nowhere = directory.resolve("nowhere");
    return Stream.of(
        Arguments.of(List.of("inspect", nowhere), "no such file"),
        Arguments.of(List.of("estimate", "mistral-9b"), "mixtral-8x7b-v0.1"),
        Arguments.of(List.of("convert", nowhere, "-o", directory.resolve("x.bora")), "nowhere"),
        Arguments.of(
            List.of("convert", MIXTRAL, "-o", nowhere.resolve("x.bora"), "--policy", "q8"),
            "directory does not exist"),
        Arguments.of(
            List.of("convert", MIXTRAL, "-o", directory, "--policy", "q8"), "found a directory"),
        Arguments.of(
            List.of("convert", MIXTRAL, "-o", pack, "--policy", nowhere + ".json"), "nowhere.json"),
        Arguments.of(List.of("inspect", MIXTRAL.resolve("tokenizer.json")), "model_type"),
        Arguments.of(List.of("inspect", MIXTRAL.resolve("tokenizer.model")), "not a bora pack"),
        Arguments.of(
            List.of("verify", pack, "--reference", MISTRAL.resolve("reference.safetensors")),
            "another model"),
        Arguments.of(
            List.of("verify", pack, "--reference", MIXTRAL.resolve("config.json")), "safetensors"));
  }

  @ParameterizedTest
  @MethodSource("badInputs")
  void badInputIsExitCodeThreeWithOneSentence(List<Object> words, String complaint)
      throws IOException {
    byte[] before = Files.readAllBytes(pack);
    CommandLineRun run = CommandLineRun.of(words.toArray());
    assertEquals(3, run.exitCode(), run.err());
    assertTrue(run.err().contains(complaint), run.err());
    assertFalse(run.err().contains("at bora."), run.err());
    assertEquals("", run.out());
    assertEquals(-1, Arrays.mismatch(before, Files.readAllBytes(pack)));
  }

  @Test
  void aDamagedTensorIsNamed() throws IOException {
    JsonNode tensors = json(CommandLineRun.of("inspect", pack, "--json")).get("tensors");
    JsonNode victim = null;
    for (JsonNode tensor : tensors) {
      if (tensor.get("key").asText().equals("layers.1.experts.5.w3")) {
        victim = tensor;
      }
    }
    byte[] bytes = Files.readAllBytes(pack);
    bytes[victim.get("offset").asInt() + 100] ^= 4;
    Path damaged = directory.resolve("damaged.bora");
    Files.write(damaged, bytes);
    CommandLineRun check = CommandLineRun.of("inspect", damaged, "--check");
    assertEquals(3, check.exitCode());
    assertTrue(check.err().contains("layer 1 expert 5 w3"), check.err());
    CommandLineRun verify =
        CommandLineRun.of(
            "verify", damaged, "--reference", MIXTRAL.resolve("reference.safetensors"));
    assertEquals(3, verify.exitCode());
    assertTrue(verify.err().contains("layer 1 expert 5 w3"), verify.err());
  }
}
