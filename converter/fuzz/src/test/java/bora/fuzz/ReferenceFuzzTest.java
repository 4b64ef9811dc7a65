package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.verifier.Reference;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What another implementation recorded: a bundle, whole outputs, or windows. */
class ReferenceFuzzTest {
  private static final HostileFile FILE =
      HostileFile.of("reference.safetensors", ReferenceFuzzTest::readAny);

  private static void readAny(Path file) throws IOException {
    try (Reference reference = Reference.open(file)) {
      reference.requireModel(TinyModel.CONFIG);
    }
  }

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(ReferenceFuzzTest.class)));
  }
}
