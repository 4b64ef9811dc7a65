package bora.runtime.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.checkpoint.SafetensorsFile;
import bora.formats.encoding.LittleEndian;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TextTokensTest {
  private static final int BOS = 1;

  @TempDir private Path directory;

  /** The recorded windows are the text's tokens, each window's first one replaced by BOS. */
  @ParameterizedTest
  @MethodSource("bora.runtime.text.ModelDirectories#names")
  void equalsTheRecordedWindowsOfTheEvaluationText(String name) throws IOException {
    Path model = ModelDirectories.example(name);
    Path text = ModelDirectories.shared("texts/evaluation.txt");
    try (SafetensorsFile windows = SafetensorsFile.open(model.resolve("windows.safetensors"));
        Tokenizer tokenizer = Tokenizer.open(TokenizerFiles.of(model))) {
      MemorySegment recorded = windows.entries().get("input_ids").bytes();
      int window = (int) (long) windows.entries().get("input_ids").dimensions().get(1);
      int count = (int) (recorded.byteSize() / Integer.BYTES);
      int[] tokens = TextTokens.read(text, tokenizer, count);
      assertEquals(count, tokens.length);
      for (int i = 0; i < count; i++) {
        int expected = recorded.get(LittleEndian.INT, 4L * i);
        assertEquals(expected, i % window == 0 ? BOS : tokens[i], "token " + i);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7, 100, 2000, 20000})
  void firstTokensAreThoseOfTheWholeText(int limit) throws IOException {
    Path text = directory.resolve("text");
    Files.writeString(text, mixedText(60_000));
    try (Tokenizer tokenizer =
        Tokenizer.open(TokenizerFiles.of(ModelDirectories.example("tiny-mixtral")))) {
      int[] all = tokenizer.encode(Files.readString(text));
      assertTrue(all.length > 20_000, "long enough to be cut");
      assertArrayEquals(Arrays.copyOf(all, limit), TextTokens.read(text, tokenizer, limit));
      assertArrayEquals(all, TextTokens.read(text, tokenizer, Integer.MAX_VALUE));
    }
  }

  /** Words, spaces, what looks like special tokens, and characters of every length in UTF-8. */
  private static String mixedText(int length) {
    String[] parts = {
      "the",
      " ",
      "  ",
      "\n",
      "hand",
      "ing",
      "</s>",
      "<",
      "s>",
      "\t",
      "ü",
      "日本",
      "\uD83D\uDE00",
      ".",
      "10"
    };
    Random random = new Random(5);
    StringBuilder text = new StringBuilder();
    while (text.length() < length) {
      text.append(parts[random.nextInt(parts.length)]);
    }
    return text.toString();
  }

  @Test
  void namesTheFirstByteThatIsNoUtf8() throws IOException {
    Path text = directory.resolve("latin1");
    Files.write(text, "gr\u00fcn".getBytes(StandardCharsets.ISO_8859_1));
    try (Tokenizer tokenizer =
        Tokenizer.open(TokenizerFiles.of(ModelDirectories.example("tiny-mixtral")))) {
      CorruptFileException e =
          assertThrows(
              CorruptFileException.class,
              () -> TextTokens.read(text, tokenizer, Integer.MAX_VALUE));
      assertTrue(e.getMessage().contains("found 0xfc at byte 2"), e.getMessage());
    }
  }

  @Test
  void refusesATextThatEndsWithinACharacter() throws IOException {
    Path text = directory.resolve("cut");
    byte[] whole = "日".getBytes(StandardCharsets.UTF_8);
    Files.write(text, Arrays.copyOf(whole, 2));
    try (Tokenizer tokenizer =
        Tokenizer.open(TokenizerFiles.of(ModelDirectories.example("tiny-mixtral")))) {
      assertThrows(
          CorruptFileException.class, () -> TextTokens.read(text, tokenizer, Integer.MAX_VALUE));
    }
  }

  @Test
  void findsNoTokensInAnEmptyText() throws IOException {
    Path text = Files.createFile(directory.resolve("empty"));
    try (Tokenizer tokenizer =
        Tokenizer.open(TokenizerFiles.of(ModelDirectories.example("tiny-mixtral")))) {
      assertEquals(0, TextTokens.read(text, tokenizer, 10).length);
    }
  }
}
