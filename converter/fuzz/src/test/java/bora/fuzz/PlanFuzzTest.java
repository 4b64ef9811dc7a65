package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.quantizer.QuantizationPlan;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A plan, for the checkpoint that it names. */
class PlanFuzzTest {
  private static final HostileFile FILE =
      HostileFile.of(
          "plan.json",
          file -> QuantizationPlan.read(file, TinyModel.CONFIG, TinyModel.FINGERPRINT));

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(PlanFuzzTest.class)));
  }
}
