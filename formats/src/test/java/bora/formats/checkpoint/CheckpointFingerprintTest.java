package bora.formats.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointFingerprintTest {
  @TempDir Path directory;

  private String fingerprint(String name, CheckpointFixture fixture) throws IOException {
    return fingerprint(fixture.write(directory.resolve(name)));
  }

  private static String fingerprint(Path checkpoint) throws IOException {
    try (Checkpoint opened = Checkpoint.open(checkpoint)) {
      return opened.fingerprint();
    }
  }

  @Test
  void isTheSameWhereverTheCheckpointIs() throws IOException {
    String first = fingerprint("a", CheckpointFixture.mixtral().shards(2));
    assertTrue(first.matches("[0-9a-f]{64}"), first);
    assertEquals(first, fingerprint("b", CheckpointFixture.mixtral().shards(2)));
  }

  @Test
  void changesWithAnyWeightConfigOrShardName() throws IOException {
    String original = fingerprint("a", CheckpointFixture.mixtral().shards(2));
    CheckpointFixture weight = CheckpointFixture.mixtral().shards(2);
    assertNotEquals(original, fingerprint("b", weight.weight("lm_head.weight", 17, 0.125f)));
    CheckpointFixture config = CheckpointFixture.mixtral().shards(2);
    assertNotEquals(original, fingerprint("c", config.config("rope_theta", 10_001.0)));
    assertNotEquals(original, fingerprint("d", CheckpointFixture.mixtral().shards(3)));
    assertNotEquals(original, fingerprint("e", CheckpointFixture.mixtral()));
  }

  @Test
  void everyByteOfASmallCheckpointCounts() throws IOException {
    Path checkpoint = CheckpointFixture.mistral().write(directory);
    Path shard = checkpoint.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(shard);
    String original = fingerprint(checkpoint);
    for (int back = 1; back <= 512; back += 7) {
      bytes[bytes.length - back] ^= 1;
      Files.write(shard, bytes);
      assertNotEquals(original, fingerprint(checkpoint), back + " bytes from the end");
      bytes[bytes.length - back] ^= 1;
    }
  }

  @Test
  void sampledCheckpointIsReadTowardsBothEnds() throws IOException {
    int vocabulary = 40_000;
    CheckpointFixture fixture = CheckpointFixture.mistral();
    fixture.config("vocab_size", vocabulary).random("lm_head.weight", vocabulary, 16);
    fixture.random("model.embed_tokens.weight", vocabulary, 16);
    String original = fingerprint("a", fixture);
    fixture.weight("model.embed_tokens.weight", 0, 0.5f);
    String first = fingerprint("a", fixture);
    fixture.weight("lm_head.weight", vocabulary * 16 - 200, 0.5f);
    String last = fingerprint("a", fixture);
    assertNotEquals(original, first);
    assertNotEquals(first, last);
  }

  @Test
  void filesThatHoldNoWeightsDoNotCount() throws IOException {
    Path checkpoint = CheckpointFixture.mistral().write(directory);
    String original = fingerprint(checkpoint);
    Files.writeString(checkpoint.resolve("tokenizer.json"), "{}");
    assertEquals(original, fingerprint(checkpoint));
  }
}
