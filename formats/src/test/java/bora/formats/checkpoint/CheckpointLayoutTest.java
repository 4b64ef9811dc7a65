package bora.formats.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.Siblings;
import bora.formats.checkpoint.CheckpointFixture.Weights;
import bora.formats.checkpoint.RelaidCheckpoint.Target;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The same weights give the same rows, whatever the layout. */
class CheckpointLayoutTest {
  @TempDir Path directory;

  private Path hub() {
    return directory.resolve("hub");
  }

  private Path relaid() {
    return directory.resolve("relaid");
  }

  static List<Arguments> layouts() {
    List<Arguments> layouts = new ArrayList<>();
    for (Target target : Target.values()) {
      layouts.add(Arguments.of(target, "mistral", CheckpointFixture.mistral()));
      layouts.add(Arguments.of(target, "mixtral", CheckpointFixture.mixtral()));
      layouts.add(Arguments.of(target, "mixtral in F16", CheckpointFixture.mixtral(Weights.F16)));
      layouts.add(Arguments.of(target, "mixtral in F32", CheckpointFixture.mixtral(Weights.F32)));
      layouts.add(Arguments.of(target, "mistral tied", CheckpointFixture.mistral().tied()));
      layouts.add(
          Arguments.of(
              target,
              "mistral with a window",
              CheckpointFixture.mistral().config("sliding_window", 32)));
      layouts.add(Arguments.of(target, "odd mixtral", odd()));
    }
    return layouts;
  }

  /** Heads of 6 over 12, 5 experts, sizes of no multiple of 16: 7 rows of everything odd. */
  private static CheckpointFixture odd() {
    CheckpointFixture odd = CheckpointFixture.mixtral();
    odd.config("head_dim", 6).config("num_local_experts", 5).config("num_experts_per_tok", 3);
    odd.config("vocab_size", 23).config("intermediate_size", 27);
    odd.random("model.embed_tokens.weight", 23, 16).random("lm_head.weight", 23, 16);
    for (int layer = 0; layer < 2; layer++) {
      String prefix = "model.layers." + layer + ".";
      odd.random(prefix + "self_attn.q_proj.weight", 24, 16);
      odd.random(prefix + "self_attn.k_proj.weight", 12, 16);
      odd.random(prefix + "self_attn.v_proj.weight", 12, 16);
      odd.random(prefix + "self_attn.o_proj.weight", 16, 24);
      odd.random(prefix + "block_sparse_moe.gate.weight", 5, 16);
      for (int expert = 0; expert < 5; expert++) {
        String owner = prefix + "block_sparse_moe.experts." + expert + ".";
        odd.random(owner + "w1.weight", 27, 16).random(owner + "w3.weight", 27, 16);
        odd.random(owner + "w2.weight", 16, 27);
      }
    }
    return odd;
  }

  @ParameterizedTest(name = "{1} as {0}")
  @MethodSource("layouts")
  void readsTheSameRows(Target target, String model, CheckpointFixture fixture) throws IOException {
    fixture.write(hub());
    assertSameRows(hub(), RelaidCheckpoint.of(hub()).write(target, relaid()));
  }

  @ParameterizedTest
  @EnumSource
  void readsTheSameRowsOfTheExamples(Target target) throws IOException {
    for (String name : List.of("tiny-mixtral", "tiny-mistral")) {
      Path example = Siblings.find("examples/" + name).orElse(null);
      Assumptions.assumeTrue(example != null, "no example " + name);
      Path relaid = relaid().resolve(name);
      assertSameRows(example, RelaidCheckpoint.of(example).write(target, relaid));
    }
  }

  private static void assertSameRows(Path expected, Path actual) throws IOException {
    try (Checkpoint hub = Checkpoint.open(expected);
        Checkpoint relaid = Checkpoint.open(actual)) {
      assertEquals(hub.config(), relaid.config());
      assertEquals(hub.config(), Checkpoint.readConfig(actual));
      for (TensorKey key : hub.config().tensors().keySet()) {
        SourceTensor tensor = relaid.tensor(key);
        assertEquals(hub.tensor(key).shape(), tensor.shape());
        assertArrayEquals(rows(hub.tensor(key), 1 << 20), rows(tensor, 1 << 20), key::toString);
        // A few rows at a time cross the borders of heads and experts.
        assertArrayEquals(rows(hub.tensor(key), 1 << 20), rows(tensor, 7), key::toString);
      }
    }
  }

  private static float[] rows(SourceTensor tensor, int atOnce) throws IOException {
    int columns = tensor.shape().columns();
    float[] values = new float[Math.toIntExact(tensor.shape().elementCount())];
    for (int row = 0; row < tensor.shape().rows(); row += atOnce) {
      int count = Math.min(atOnce, tensor.shape().rows() - row);
      tensor.readRows(row, count, values, row * columns);
    }
    return values;
  }

  @ParameterizedTest
  @EnumSource
  void tellsTheLayout(Target target) throws IOException {
    CheckpointFixture.mixtral().write(hub());
    CheckpointLayout expected =
        switch (target) {
          case HUB_SHARDED, HUB_FUSED -> CheckpointLayout.HUB_SAFETENSORS;
          case HUB_BIN, HUB_BIN_SHARDED -> CheckpointLayout.HUB_PYTORCH;
          case MISTRAL_SAFETENSORS, MISTRAL_SAFETENSORS_SHARDED ->
              CheckpointLayout.MISTRAL_SAFETENSORS;
          case MISTRAL_PTH, MISTRAL_PT_STACKED -> CheckpointLayout.MISTRAL_PYTORCH;
          case GGUF, GGUF_SPLIT_EXPERTS -> CheckpointLayout.GGUF;
        };
    Path path = RelaidCheckpoint.of(hub()).write(target, relaid());
    try (Checkpoint checkpoint = Checkpoint.open(path)) {
      assertEquals(expected, checkpoint.layout());
      assertEquals(List.of(), checkpoint.otherLayouts());
      assertEquals(path, checkpoint.path());
      assertTrue(checkpoint.fingerprint().matches("[0-9a-f]{64}"));
      assertTrue(checkpoint.sourceFiles().stream().allMatch(Files::isRegularFile));
    }
  }

  @Test
  void safetensorsOfTheHubAreTakenBeforeOthers() throws IOException {
    CheckpointFixture.mixtral().write(hub());
    RelaidCheckpoint relaid = RelaidCheckpoint.of(hub());
    relaid.write(Target.MISTRAL_PTH, hub());
    relaid.write(Target.MISTRAL_SAFETENSORS, hub());
    relaid.write(Target.HUB_BIN, hub());
    try (Checkpoint checkpoint = Checkpoint.open(hub())) {
      assertEquals(CheckpointLayout.HUB_SAFETENSORS, checkpoint.layout());
      assertEquals(
          List.of(
              CheckpointLayout.MISTRAL_SAFETENSORS,
              CheckpointLayout.HUB_PYTORCH,
              CheckpointLayout.MISTRAL_PYTORCH),
          checkpoint.otherLayouts());
    }
  }

  @Test
  void layoutWithoutItsConfigIsPassedOver() throws IOException {
    CheckpointFixture.mixtral().write(hub());
    RelaidCheckpoint.of(hub()).write(Target.MISTRAL_SAFETENSORS, hub());
    Files.delete(hub().resolve("config.json"));
    try (Checkpoint checkpoint = Checkpoint.open(hub())) {
      assertEquals(CheckpointLayout.MISTRAL_SAFETENSORS, checkpoint.layout());
      assertEquals(List.of(CheckpointLayout.HUB_SAFETENSORS), checkpoint.otherLayouts());
    }
  }
}
