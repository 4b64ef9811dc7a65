package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** The manifest of a pack whose header, weights and sums are right. */
class PackManifestFuzzTest {
  private static final HostileFile FILE = HostileFile.of("model.bora", Weights::ofPack);

  @FuzzTest
  void isReadOrRefused(byte[] manifest) throws IOException {
    FILE.isTaken(PackSeed.read().withManifest(manifest));
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    PackSeed seed = PackSeed.read();
    assertTrue(FILE.isTaken(seed.withManifest(seed.manifest())));
  }
}
