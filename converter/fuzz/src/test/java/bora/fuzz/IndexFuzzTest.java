package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** The index of a checkpoint in shards. */
class IndexFuzzTest {
  private static final HostileFile FILE =
      HostileFile.of(
          "model.safetensors.index.json",
          file -> Weights.ofCheckpoint(file.getParent()),
          "sharded/config.json",
          "sharded/model-00001-of-00002.safetensors",
          "sharded/model-00002-of-00002.safetensors");

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(IndexFuzzTest.class)));
  }
}
