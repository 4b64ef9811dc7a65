package bora.runtime.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class TextStreamTest {
  private static Tokenizer open() throws IOException {
    return Tokenizer.open(TokenizerFiles.of(ModelDirectories.example("tiny-mixtral")));
  }

  private static List<String> stream(Tokenizer tokenizer, int[] preceding, int... tokens) {
    TextStream stream = new TextStream(tokenizer, preceding);
    List<String> pieces = new ArrayList<>();
    for (int token : tokens) {
      pieces.add(stream.add(token));
    }
    pieces.add(stream.end());
    return pieces;
  }

  @ParameterizedTest
  @MethodSource("bora.runtime.text.TokenizerTest#texts")
  void givesTheWholeTextInPieces(String text) throws IOException {
    try (Tokenizer tokenizer = open()) {
      int[] tokens = tokenizer.encode(text);
      List<String> pieces = stream(tokenizer, new int[0], tokens);
      assertEquals(tokenizer.decode(tokens), String.join("", pieces));
      assertFalse(String.join("", pieces).contains("\uFFFD"));
    }
  }

  /** Wherever a text is divided into prompt and continuation, the continuation is its rest. */
  @ParameterizedTest
  @MethodSource("bora.runtime.text.TokenizerTest#texts")
  void continuesAnyPrompt(String text) throws IOException {
    try (Tokenizer tokenizer = open()) {
      int[] tokens = tokenizer.encode(text);
      String whole = tokenizer.decode(tokens);
      for (int at = 1; at < tokens.length; at++) {
        int[] prompt = Arrays.copyOf(tokens, at);
        String before = tokenizer.decode(prompt);
        int[] rest = Arrays.copyOfRange(tokens, at, tokens.length);
        if (!before.contains("\uFFFD")) {
          assertEquals(
              whole.substring(before.length()),
              String.join("", stream(tokenizer, prompt, rest)),
              "after " + at + " tokens");
        }
      }
    }
  }

  @Test
  void holdsBackACharacterUntilItIsWhole() throws IOException {
    try (Tokenizer tokenizer = open()) {
      int[] grinning = {3 + 0xF0, 3 + 0x9F, 3 + 0x98, 3 + 0x80};
      assertEquals(
          List.of("", "", "", "\uD83D\uDE00", ""), stream(tokenizer, new int[0], grinning));
    }
  }

  @Test
  void keepsTheSpaceBetweenPromptAndContinuation() throws IOException {
    try (Tokenizer tokenizer = open()) {
      int[] the = tokenizer.encode("the");
      assertEquals(List.of("the", ""), stream(tokenizer, new int[0], the));
      assertEquals(List.of(" the", ""), stream(tokenizer, tokenizer.encodePrompt("a"), the));
    }
  }

  /** Any tokens at all, as a model may write them: bytes that are no UTF-8, special ones. */
  @Test
  void losesNoWholeCharacterAmongStrayBytes() throws IOException {
    try (Tokenizer tokenizer = open()) {
      Random random = new Random(3);
      int letter = tokenizer.id("e").orElseThrow();
      for (int round = 0; round < 200; round++) {
        int letters = 0;
        int[] tokens = new int[50];
        for (int i = 0; i < tokens.length; i++) {
          tokens[i] = random.nextBoolean() ? letter : random.nextInt(131, 259);
          letters += tokens[i] == letter ? 1 : 0;
        }
        String text = String.join("", stream(tokenizer, new int[0], tokens));
        assertEquals(letters, text.chars().filter(c -> c == 'e').count());
      }
    }
  }
}
