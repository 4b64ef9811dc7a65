package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.verifier.TokenIds;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A list of token ids. */
class TokenListFuzzTest {
  private static final HostileFile FILE = HostileFile.of("tokens.txt", TokenIds::read);

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(TokenListFuzzTest.class)));
  }
}
