package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.runtime.text.Tokenizer;
import bora.runtime.text.TokenizerFiles;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** A SentencePiece model, and the tokenizer that the native library makes of it. */
class SentencePieceFuzzTest {
  private static final HostileFile FILE =
      HostileFile.of("tokenizer.model", SentencePieceFuzzTest::tokenize);

  private static void tokenize(Path file) throws IOException {
    try (Tokenizer tokenizer = Tokenizer.open(TokenizerFiles.of(file.getParent()))) {
      String unused = tokenizer.decode(tokenizer.encodePrompt("the\n other"));
    }
  }

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(SentencePieceFuzzTest.class)));
  }
}
