package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** Header and footer of a pack, with sums that are right. */
class PackFrameFuzzTest {
  private static final HostileFile FILE = HostileFile.of("model.bora", Weights::ofPack);

  @FuzzTest
  void isReadOrRefused(byte[] headerAndFooter) throws IOException {
    FILE.isTaken(PackSeed.read().withFrame(headerAndFooter));
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    PackSeed seed = PackSeed.read();
    assertTrue(FILE.isTaken(seed.withFrame(seed.frame())));
  }
}
