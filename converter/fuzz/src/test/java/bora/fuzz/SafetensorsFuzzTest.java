package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A whole file of the hub's layout, header and data. */
class SafetensorsFuzzTest {
  private static final HostileFile FILE =
      HostileFile.of(
          "model.safetensors", file -> Weights.ofCheckpoint(file.getParent()), "hub/config.json");

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(SafetensorsFuzzTest.class)));
  }
}
