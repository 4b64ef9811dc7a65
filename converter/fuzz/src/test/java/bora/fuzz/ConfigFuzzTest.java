package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** The config of a checkpoint of the hub. */
class ConfigFuzzTest {
  private static final HostileFile FILE =
      HostileFile.of(
          "config.json", file -> Weights.ofCheckpoint(file.getParent()), "hub/model.safetensors");

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(ConfigFuzzTest.class)));
  }
}
