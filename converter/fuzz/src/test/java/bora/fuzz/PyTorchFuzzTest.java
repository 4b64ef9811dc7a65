package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** A file of torch.save: the archive around the pickle. */
class PyTorchFuzzTest {
  private static final HostileFile FILE =
      HostileFile.of(
          "pytorch_model.bin",
          file -> Weights.ofCheckpoint(file.getParent()),
          "pytorch/config.json");

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(PyTorchFuzzTest.class)));
  }
}
