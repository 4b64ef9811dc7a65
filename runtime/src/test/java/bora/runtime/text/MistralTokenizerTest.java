package bora.runtime.text;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertIterableEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The vocabulary that Mistral 7B and Mixtral 8x7B have, 32000 pieces, as the npm package {@code
 * mistral-tokenizer-js} ships it with a tokenizer of its own. Skipped where npm cannot fetch it.
 */
final class MistralTokenizerTest {
  private static final String PACKAGE = "mistral-tokenizer-js";
  private static final String VERSION = "1.0.0";
  private static final int FIRST_BYTE = 3;
  private static final int FIRST_NORMAL = FIRST_BYTE + 256;

  @TempDir private static Path directory;

  private static Path script;
  private static SentencePieceModel model;
  private static Tokenizer tokenizer;

  @BeforeAll
  static void fetch() throws IOException, InterruptedException {
    int exit =
        run("npm", "install", "--no-save", "--no-audit", "--no-fund", PACKAGE + "@" + VERSION);
    script = directory.resolve("node_modules").resolve(PACKAGE).resolve("mistral-tokenizer.js");
    assumeTrue(
        exit == 0 && Files.exists(script),
        "npm cannot fetch " + PACKAGE + ": not installed, or offline");
    model = new SentencePieceModel(pieces(), OptionalInt.of(1), true);
    Path whole = directory.resolve(Tokenizer.JSON_FILE);
    Files.writeString(whole, SentencePieceConversion.tokenizerJson(script, model));
    tokenizer = Tokenizer.open(TokenizerFiles.of(directory));
  }

  @AfterAll
  static void close() {
    if (tokenizer != null) {
      tokenizer.close();
    }
  }

  private static int run(String... command) throws InterruptedException {
    try {
      Process process =
          new ProcessBuilder(command)
              .directory(directory.toFile())
              .redirectErrorStream(true)
              .redirectOutput(directory.resolve("output").toFile())
              .start();
      if (!process.waitFor(60, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        return -1;
      }
      return process.exitValue();
    } catch (IOException e) {
      return -1;
    }
  }

  private static byte[] constant(String name) throws IOException {
    Matcher matcher =
        Pattern.compile("const " + name + " = \"([A-Za-z0-9+/=]*)\"")
            .matcher(Files.readString(script));
    assumeTrue(matcher.find(), PACKAGE + " has no " + name);
    return Base64.getDecoder().decode(matcher.group(1));
  }

  /**
   * SentencePiece scores the pieces that it learned 0, -1, -2 ... in the order of their ids; the
   * runs of spaces among Mistral's were put in later, all with a score below every other.
   */
  private static List<SentencePieceModel.Piece> pieces() throws IOException {
    List<SentencePieceModel.Piece> pieces = new ArrayList<>();
    for (String text : new String(constant("vocab_base64"), UTF_8).split("\n", -1)) {
      int id = pieces.size();
      SentencePieceModel.Type type =
          id == 0
              ? SentencePieceModel.Type.UNKNOWN
              : id < FIRST_BYTE
                  ? SentencePieceModel.Type.CONTROL
                  : id < FIRST_NORMAL
                      ? SentencePieceModel.Type.BYTE
                      : SentencePieceModel.Type.NORMAL;
      float score = text.matches("\u2581{2,}") ? -1e9f : Math.min(0, FIRST_NORMAL - id);
      pieces.add(new SentencePieceModel.Piece(text, score, type));
    }
    return pieces;
  }

  @Test
  void derivesEveryMergeOfMistrals() throws IOException {
    assertEquals(32_000, model.pieces().size());
    byte[] recorded = constant("merges_binary");
    List<String> expected = new ArrayList<>();
    for (int i = 0; i < recorded.length; i += 4) {
      expected.add(piece(recorded, i) + " " + piece(recorded, i + 2));
    }
    JsonNode json =
        StrictJson.parseObject(
            script, SentencePieceConversion.tokenizerJson(script, model).getBytes(UTF_8));
    List<String> derived = new ArrayList<>();
    for (JsonNode merge : json.get("model").get("merges")) {
      derived.add(merge.get(0).asText() + " " + merge.get(1).asText());
    }
    assertIterableEquals(expected, derived);
  }

  private static String piece(byte[] ids, int offset) {
    int id = Byte.toUnsignedInt(ids[offset]) | Byte.toUnsignedInt(ids[offset + 1]) << Byte.SIZE;
    return model.pieces().get(id).text();
  }

  /** What the package's own tests expect; they were made with Mistral's tokenizer. */
  static Stream<Arguments> recorded() {
    return Stream.of(
        Arguments.of("grabbed", new int[] {1, 13300}),
        Arguments.of(" grabbed", new int[] {1, 28705, 13300}),
        Arguments.of("           grabbed", new int[] {1, 17422, 13300}),
        Arguments.of("\n", new int[] {1, 28705, 13}),
        Arguments.of(" \n", new int[] {1, 259, 13}),
        Arguments.of(
            "\ttabs\t\t\t\tout here", new int[] {1, 28705, 12, 24856, 12, 12, 12, 12, 406, 1236}),
        Arguments.of("ax\n####\nboo", new int[] {1, 6056, 13, 2000, 13, 1798, 28709}),
        Arguments.of("镇", new int[] {1, 28705, 29780}),
        Arguments.of("\uD83E\uDD99", new int[] {1, 28705, 243, 162, 169, 156}),
        Arguments.of(
            "\uA64A\uD83E\uDD99", new int[] {1, 28705, 237, 156, 141, 243, 162, 169, 156}));
  }

  @ParameterizedTest
  @MethodSource("recorded")
  void givesMistralsTokens(String text, int[] expected) {
    assertArrayEquals(expected, tokenizer.encodePrompt(text));
    assertEquals(text, tokenizer.decode(expected));
  }

  /** Paragraph by paragraph, as the package's own implementation in JavaScript has them. */
  @Test
  void agreesWithAnotherImplementationOnALongText() throws IOException, InterruptedException {
    List<String> lines =
        Files.readAllLines(ModelDirectories.shared("texts/evaluation.txt")).stream()
            .filter(line -> !line.isEmpty())
            .toList();
    Files.write(directory.resolve("lines"), lines);
    Files.writeString(
        directory.resolve("encode.mjs"),
        """
        import fs from 'fs';
        import tokenizer from './node_modules/%s/mistral-tokenizer.js';
        for (const line of fs.readFileSync('lines', 'utf8').split('\\n').slice(0, -1)) {
          console.log(tokenizer.encode(line).join(' '));
        }
        """
            .formatted(PACKAGE));
    assumeTrue(run("node", "encode.mjs") == 0, "node does not run");
    List<String> expected = Files.readAllLines(directory.resolve("output"));
    assertEquals(lines.size(), expected.size());
    for (int i = 0; i < lines.size(); i++) {
      int[] tokens = Stream.of(expected.get(i).split(" ")).mapToInt(Integer::parseInt).toArray();
      assertArrayEquals(tokens, tokenizer.encodePrompt(lines.get(i)), "line " + i);
    }
  }
}
