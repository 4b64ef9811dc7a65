package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.verifier.Gate;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A gate. */
class GateFuzzTest {
  private static final HostileFile FILE = HostileFile.of("gate.json", Gate::read);

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(GateFuzzTest.class)));
  }
}
