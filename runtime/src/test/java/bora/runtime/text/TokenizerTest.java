package bora.runtime.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertIterableEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class TokenizerTest {
  private static final String MODEL = "tiny-mixtral";

  @TempDir private Path directory;

  private static Tokenizer open(String model) throws IOException {
    return Tokenizer.open(TokenizerFiles.of(ModelDirectories.example(model)));
  }

  private Tokenizer openSentencePieceAlone(String model) throws IOException {
    Files.copy(
        ModelDirectories.example(model).resolve(Tokenizer.SENTENCE_PIECE_FILE),
        directory.resolve(Tokenizer.SENTENCE_PIECE_FILE));
    return Tokenizer.open(TokenizerFiles.of(directory));
  }

  static Stream<String> texts() {
    return Stream.of(
        "Hello, world!",
        " leading and trailing ",
        "two  spaces, three   of them, and\ttabs\n\nand lines\r\n",
        "Grüße, 日本語, \uD83D\uDE00\uD83C\uDFFD, e\u0301",
        "a\u0000b",
        "x</s>y <s> [INST] z [/INST]",
        "\u2581already marked\u2581",
        "\uFEFFmarked");
  }

  @ParameterizedTest
  @MethodSource("texts")
  void decodesWhatItEncoded(String text) throws IOException {
    try (Tokenizer tokenizer = open(MODEL)) {
      String readable = text.replace("</s>", "").replace("<s>", "").replace('\u2581', ' ');
      if (!text.contains("<s>")) {
        assertEquals(readable, tokenizer.decode(tokenizer.encode(text)));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("texts")
  void sentencePieceAloneGivesTheSameTokens(String text) throws IOException {
    try (Tokenizer tokenizer = open(MODEL);
        Tokenizer converted = openSentencePieceAlone(MODEL)) {
      assertArrayEquals(tokenizer.encode(text), converted.encode(text));
      assertArrayEquals(tokenizer.encodePrompt(text), converted.encodePrompt(text));
      int[] tokens = tokenizer.encode(text);
      assertEquals(tokenizer.decode(tokens), converted.decode(tokens));
    }
  }

  @ParameterizedTest
  @MethodSource("bora.runtime.text.ModelDirectories#names")
  void sentencePieceAloneGivesTheSameTokensOfALongText(String model) throws IOException {
    String text = Files.readString(ModelDirectories.shared("texts/evaluation.txt"));
    try (Tokenizer tokenizer = open(model);
        Tokenizer converted = openSentencePieceAlone(model)) {
      assertArrayEquals(tokenizer.encode(text), converted.encode(text));
    }
  }

  /** The merges that SentencePiece does not store are found again, in transformers' order. */
  @ParameterizedTest
  @MethodSource("bora.runtime.text.ModelDirectories#names")
  void derivesTheMergesThatTransformersDerived(String model) throws IOException {
    Path sentencePiece = ModelDirectories.example(model).resolve(Tokenizer.SENTENCE_PIECE_FILE);
    Path whole = ModelDirectories.example(model).resolve(Tokenizer.JSON_FILE);
    SentencePieceModel parsed =
        SentencePieceModel.parse(sentencePiece, Files.readAllBytes(sentencePiece));
    JsonNode derived =
        StrictJson.parseObject(
            sentencePiece,
            SentencePieceConversion.tokenizerJson(sentencePiece, parsed)
                .getBytes(StandardCharsets.UTF_8));
    JsonNode expected = StrictJson.parseObject(whole, Files.readAllBytes(whole));
    assertTrue(expected.get("model").get("vocab").equals(derived.get("model").get("vocab")));
    assertIterableEquals(merges(expected), merges(derived));
    assertEquals(expected.get("added_tokens"), derived.get("added_tokens"));
    assertEquals(expected.get("decoder"), derived.get("decoder"));
  }

  private static List<String> merges(JsonNode json) {
    List<String> merges = new ArrayList<>();
    for (JsonNode merge : json.get("model").get("merges")) {
      merges.add(
          merge.isTextual() ? merge.asText() : merge.get(0).asText() + " " + merge.get(1).asText());
    }
    return merges;
  }

  @Test
  void putsBosInFrontOfAPromptOnly() throws IOException {
    try (Tokenizer tokenizer = open(MODEL)) {
      int[] text = tokenizer.encode("Hello");
      int[] prompt = tokenizer.encodePrompt("Hello");
      assertEquals(1, prompt[0]);
      assertArrayEquals(text, Arrays.copyOfRange(prompt, 1, prompt.length));
    }
  }

  @Test
  void namesPiecesAndIds() throws IOException {
    try (Tokenizer tokenizer = open(MODEL)) {
      assertEquals("<0x0A>", tokenizer.piece(13).orElseThrow());
      assertEquals(OptionalInt.of(2), tokenizer.id("</s>"));
      assertEquals(OptionalInt.empty(), tokenizer.id("no such piece"));
      assertTrue(tokenizer.piece(4096).isEmpty());
      assertEquals(4096, tokenizer.size());
    }
  }

  @Test
  void decodesIdsWithoutATokenToNothing() throws IOException {
    try (Tokenizer tokenizer = open(MODEL)) {
      assertEquals("", tokenizer.decode(new int[] {999_999, 2}));
    }
  }

  @Test
  void saysWhichFilesAreMissing() {
    NoSuchFileException e =
        assertThrows(NoSuchFileException.class, () -> Tokenizer.open(TokenizerFiles.of(directory)));
    assertTrue(e.getMessage().contains("tokenizer.json"), e.getMessage());
    assertTrue(e.getMessage().contains("tokenizer.model"), e.getMessage());
  }

  static Stream<String> damagedJson() {
    return Stream.of("", "{", "{}", "[]", "{\"model\": {\"type\": \"BPE\"}}", "\u0000");
  }

  @ParameterizedTest
  @MethodSource("damagedJson")
  void refusesADamagedTokenizer(String json) throws IOException {
    Files.writeString(directory.resolve(Tokenizer.JSON_FILE), json);
    CorruptFileException e =
        assertThrows(
            CorruptFileException.class, () -> Tokenizer.open(TokenizerFiles.of(directory)));
    assertTrue(e.getMessage().contains(Tokenizer.JSON_FILE), e.getMessage());
  }

  /** Cut anywhere, the file is refused or is still a whole message: a shorter vocabulary. */
  @Test
  void readsNoSentencePieceModelBeyondItsEnd() throws IOException {
    Path file = ModelDirectories.example(MODEL).resolve(Tokenizer.SENTENCE_PIECE_FILE);
    byte[] bytes = Files.readAllBytes(file);
    int refused = 0;
    for (int length = 0; length < bytes.length; length += 97) {
      byte[] cut = Arrays.copyOf(bytes, length);
      assertThrows(CorruptFileException.class, () -> SentencePieceModel.parse(file, cut));
      refused++;
    }
    assertTrue(refused > 500);
  }

  @Test
  void refusesUseAfterItsEnd() throws IOException {
    Tokenizer tokenizer = open(MODEL);
    tokenizer.close();
    tokenizer.close();
    assertThrows(IllegalStateException.class, () -> tokenizer.encode("x"));
    assertThrows(IllegalStateException.class, () -> tokenizer.decode(new int[] {1}));
  }
}
