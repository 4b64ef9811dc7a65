package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.checkpoint.SafetensorsFile;
import bora.formats.encoding.LittleEndian;
import bora.runtime.text.Tokenizer;
import bora.runtime.text.TokenizerFiles;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The commands that take or give text. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class TextCommandsTest {
  private static final String PROMPT = "The captain said that";

  private Path directory;
  private Path pack;
  private Path packWithoutTokenizer;

  @BeforeAll
  void convertsTheExamples(@TempDir Path temporary) throws IOException {
    directory = temporary;
    pack = convert(CommandLineRun.example("tiny-mixtral"), "tiny-mixtral");
    convert(CommandLineRun.example("tiny-mistral"), "tiny-mistral");
    Path bare = Files.createDirectory(directory.resolve("bare"));
    try (Stream<Path> files = Files.list(CommandLineRun.example("tiny-mixtral"))) {
      for (Path file : files.toList()) {
        String name = file.getFileName().toString();
        if (name.equals("config.json") || name.startsWith("model")) {
          Files.copy(file, bare.resolve(name));
        }
      }
    }
    packWithoutTokenizer = directory.resolve("bare.bora");
  }

  private Path convert(Path checkpoint, String name) {
    Path converted = directory.resolve(name + ".bora");
    CommandLineRun run =
        CommandLineRun.of("convert", checkpoint, "-o", converted, "--policy", "f32");
    assertEquals(0, run.exitCode(), run.err());
    return converted;
  }

  private static JsonNode json(CommandLineRun run) throws IOException {
    assertEquals(0, run.exitCode(), run.err());
    return new ObjectMapper().readTree(run.out());
  }

  private static int[] ints(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToInt(JsonNode::intValue).toArray();
  }

  private static int[] recorded(SafetensorsFile file, String name) {
    MemorySegment bytes = file.entries().get(name).bytes();
    int[] values = new int[(int) (bytes.byteSize() / Integer.BYTES)];
    Arrays.setAll(values, i -> bytes.get(LittleEndian.INT, (long) Integer.BYTES * i));
    return values;
  }

  @ParameterizedTest
  @ValueSource(strings = {"tiny-mistral", "tiny-mixtral"})
  void greedyTokensAreTransformers(String name) throws IOException {
    Path checkpoint = CommandLineRun.example(name);
    try (SafetensorsFile reference =
        SafetensorsFile.open(checkpoint.resolve("reference.safetensors"))) {
      int[] expected = recorded(reference, "greedy.tokens");
      String prompt =
          Arrays.stream(recorded(reference, "greedy.prompt"))
              .mapToObj(String::valueOf)
              .collect(Collectors.joining(","));
      Path converted = directory.resolve(name + ".bora");
      JsonNode generated =
          json(
              CommandLineRun.of(
                  "generate", converted, "--tokens", prompt, "-n", expected.length, "--json"));
      assertArrayEquals(expected, ints(generated.get("tokens")));
    }
  }

  @Test
  void aContextThatCannotBeHeldIsRefusedInASentence() {
    CommandLineRun run = CommandLineRun.of("bench", pack, "--context", "30000000");
    assertEquals(3, run.exitCode(), run.err());
    assertTrue(
        run.err().contains("bora: context: expected at most 16776960 tokens for heads of 32"),
        run.err());
  }

  @Test
  void theTextIsThatOfTheTokens() throws IOException {
    JsonNode document = json(CommandLineRun.of("generate", pack, "--prompt", PROMPT, "--json"));
    int[] prompt = ints(document.get("prompt"));
    int[] tokens = ints(document.get("tokens"));
    int[] all = Arrays.copyOf(prompt, prompt.length + tokens.length);
    System.arraycopy(tokens, 0, all, prompt.length, tokens.length);
    try (Tokenizer tokenizer =
        Tokenizer.open(TokenizerFiles.of(CommandLineRun.example("tiny-mixtral")))) {
      assertArrayEquals(tokenizer.encodePrompt(PROMPT), prompt);
      assertEquals(tokenizer.decode(all), PROMPT + document.get("text").asText());
    }
  }

  @Test
  void streamsTheSameTextAsTheDocumentHas() throws IOException {
    JsonNode document = json(CommandLineRun.of("generate", pack, "--prompt", PROMPT, "--json"));
    CommandLineRun run = CommandLineRun.of("generate", pack, "--prompt", PROMPT);
    assertEquals(document.get("text").asText() + System.lineSeparator(), run.out());
    assertEquals("tokenLimit", document.get("ending").asText());
    assertTrue(run.err().contains("tokens/s"), run.err());
  }

  @Test
  void endsBeforeAStopString() throws IOException {
    String text =
        json(CommandLineRun.of("generate", pack, "--prompt", PROMPT, "--json"))
            .get("text")
            .asText();
    String stop = text.substring(10, 14);
    JsonNode document =
        json(CommandLineRun.of("generate", pack, "--prompt", PROMPT, "--stop", stop, "--json"));
    assertEquals(text.substring(0, text.indexOf(stop)), document.get("text").asText());
    assertEquals("stopString", document.get("ending").asText());
  }

  @Test
  void equalSeedsDrawEqualTexts() {
    Object[] arguments = {
      "generate",
      pack,
      "--prompt",
      PROMPT,
      "--temperature",
      "1.2",
      "--top-k",
      "50",
      "--top-p",
      "0.95",
      "--min-p",
      "0.01",
      "--repetition-penalty",
      "1.1",
      "--seed",
      "3"
    };
    assertEquals(CommandLineRun.of(arguments).out(), CommandLineRun.of(arguments).out());
  }

  @Test
  void runsBeyondTheSlidingWindow() throws IOException {
    Path mistral = directory.resolve("tiny-mistral.bora");
    JsonNode document =
        json(CommandLineRun.of("generate", mistral, "--prompt", PROMPT, "-n", 300, "--json"));
    assertTrue(document.get("tokens").size() > 128, "beyond the window of 128 tokens");
  }

  @Test
  void endsWhereTheContextIsFull() throws IOException {
    int promptTokens = 4093;
    String prompt = "440" + ",13".repeat(promptTokens - 1);
    CommandLineRun run =
        CommandLineRun.of("generate", pack, "--tokens", prompt, "-n", 100, "--json");
    assertEquals(4096 - promptTokens + 1, json(run).get("tokens").size(), run.err());
    assertTrue(run.err().contains("context of 4096 tokens is full"), run.err());
  }

  @Test
  void showsIdsAndPieces() throws IOException {
    Path example = CommandLineRun.example("tiny-mixtral");
    CommandLineRun run = CommandLineRun.of("tokenize", example, "--text", "Hello\n");
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(run.out().startsWith("440\t\u2581He"), run.out());
    assertTrue(run.out().contains("13\t<0x0A>"), run.out());
    JsonNode ofPack = json(CommandLineRun.of("tokenize", pack, "--text", "Hello\n", "--json"));
    assertEquals(
        run.out().lines().map(line -> line.split("\t")[0]).collect(Collectors.joining(",")),
        Arrays.stream(ints(ofPack.get("tokens")))
            .mapToObj(String::valueOf)
            .collect(Collectors.joining(",")));
  }

  Stream<Arguments> badInputs() throws IOException {
    Path latin1 = directory.resolve("latin1");
    Files.write(latin1, "gr\u00fcn".getBytes(StandardCharsets.ISO_8859_1));
    Path empty = directory.resolve("empty");
    Files.write(empty, new byte[0]);
    Path huge = directory.resolve("long");
    Files.writeString(huge, "word ".repeat(5000));
    return Stream.of(
        Arguments.of(3, "no valid UTF-8", new Object[] {"generate", pack, "--prompt-file", latin1}),
        Arguments.of(3, "found none", new Object[] {"generate", pack, "--prompt-file", empty}),
        Arguments.of(3, "context of 4096", new Object[] {"generate", pack, "--prompt-file", huge}),
        Arguments.of(2, "empty", new Object[] {"generate", pack, "--prompt", ""}),
        Arguments.of(
            2, "--temperature", new Object[] {"generate", pack, "--prompt", "x", "--top-k", 5}),
        Arguments.of(3, "no tokenizer", new Object[] {"tokenize", directory, "--text", "x"}),
        Arguments.of(2, "one of them", new Object[] {"tokenize", pack}),
        Arguments.of(3, "latin1", new Object[] {"tokenize", pack, latin1}));
  }

  @ParameterizedTest
  @MethodSource("badInputs")
  void saysWhatIsWrong(int exitCode, String message, Object[] arguments) {
    CommandLineRun run = CommandLineRun.of(arguments);
    assertEquals(exitCode, run.exitCode(), run.err());
    assertTrue(run.err().contains(message), run.err());
  }

  @Test
  void aRehearsalTakesAnyPackAndPrintsNoResults() {
    CommandLineRun run = CommandLineRun.of("rehearse", pack);
    assertEquals(0, run.exitCode(), run.err());
    assertEquals("", run.out());
    assertEquals(3, CommandLineRun.of("rehearse", directory.resolve("absent.bora")).exitCode());
  }

  @Test
  void aPackWithoutTokenizerStillTakesIds() {
    CommandLineRun converted =
        CommandLineRun.of(
            "convert", directory.resolve("bare"), "-o", packWithoutTokenizer, "--policy", "q8");
    assertEquals(0, converted.exitCode(), converted.err());
    CommandLineRun ids = CommandLineRun.of("generate", packWithoutTokenizer, "--tokens", "1,5");
    assertEquals(0, ids.exitCode(), ids.err());
    for (String command : new String[] {"generate", "chat"}) {
      CommandLineRun text =
          command.equals("chat")
              ? CommandLineRun.of(command, packWithoutTokenizer)
              : CommandLineRun.of(command, packWithoutTokenizer, "--prompt", "x");
      assertEquals(3, text.exitCode(), text.err());
      assertTrue(text.err().contains("no tokenizer"), text.err());
    }
  }
}
