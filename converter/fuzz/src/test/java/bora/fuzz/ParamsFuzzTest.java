package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** The config of a checkpoint of Mistral's own. */
class ParamsFuzzTest {
  private static final HostileFile FILE =
      HostileFile.of(
          "params.json",
          file -> Weights.ofCheckpoint(file.getParent()),
          "mistral/consolidated.safetensors");

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(ParamsFuzzTest.class)));
  }
}
