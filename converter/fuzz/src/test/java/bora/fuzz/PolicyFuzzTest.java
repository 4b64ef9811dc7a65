package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.quantizer.QuantizationPolicy;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A policy. */
class PolicyFuzzTest {
  private static final HostileFile FILE = HostileFile.of("policy.json", QuantizationPolicy::read);

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(PolicyFuzzTest.class)));
  }
}
