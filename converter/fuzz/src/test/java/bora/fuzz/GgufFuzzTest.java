package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A GGUF file, header and data. */
class GgufFuzzTest {
  private static final HostileFile FILE = HostileFile.of("model.gguf", Weights::ofCheckpoint);

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(GgufFuzzTest.class)));
  }
}
