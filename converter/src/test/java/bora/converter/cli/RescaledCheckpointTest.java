package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntBinaryOperator;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints with channels far louder than the rest, as large models have them. */
@Tag("slow")
class RescaledCheckpointTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path MIXTRAL = CommandLineRun.example("tiny-mixtral");
  private static final int LAYERS = 3;
  private static final int EXPERTS = 8;
  private static final int HEAD_DIM = 32;

  @TempDir private Path directory;

  /** Rescales in every way that leaves the function as it is. */
  private Path rescaled() throws IOException {
    CheckpointCopy copy = new CheckpointCopy(MIXTRAL, directory.resolve("rescaled"));
    for (int layer = 0; layer < LAYERS; layer++) {
      String prefix = "model.layers." + layer + ".";
      IntBinaryOperator louder = (row, column) -> column % 64 == 5 ? 3 + column / 64 : 0;
      IntBinaryOperator quieter = (row, column) -> -louder.applyAsInt(row, column);
      copy.scale(prefix + "input_layernorm", louder);
      copy.scale(prefix + "self_attn.q_proj", quieter);
      copy.scale(prefix + "self_attn.k_proj", quieter);
      copy.scale(
          prefix + "self_attn.v_proj",
          (row, column) -> quieter.applyAsInt(row, column) + (row % HEAD_DIM == 7 ? 5 : 0));
      copy.scale(prefix + "self_attn.o_proj", (row, column) -> column % HEAD_DIM == 7 ? -5 : 0);
      copy.scale(prefix + "post_attention_layernorm", louder);
      copy.scale(prefix + "block_sparse_moe.gate", quieter);
      for (int expert = 0; expert < EXPERTS; expert++) {
        int by = expert == 2 ? 6 : expert % 2;
        String matrices = prefix + "block_sparse_moe.experts." + expert + ".";
        copy.scale(matrices + "w1", quieter);
        copy.scale(
            matrices + "w3", (row, column) -> quieter.applyAsInt(row, column) + by + row % 3);
        copy.scale(matrices + "w2", (row, column) -> -by - column % 3);
      }
    }
    return copy.write();
  }

  private Path calibrate(Path checkpoint, String name) throws IOException {
    Path tokens = directory.resolve("tokens");
    Random random = new Random(1);
    Files.writeString(
        tokens,
        random.ints(200, 3, 1000).mapToObj(String::valueOf).collect(Collectors.joining(" ")));
    Path calibration = directory.resolve(name);
    CommandLineRun run =
        CommandLineRun.of(
            "calibrate",
            checkpoint,
            "--tokens",
            tokens,
            "--windows",
            3,
            "--window",
            64,
            "--sensitivity-windows",
            2,
            "-o",
            calibration);
    assertEquals(0, run.exitCode(), run.err());
    return calibration;
  }

  private JsonNode plan(Path checkpoint, Path calibration, Path plan, double bits)
      throws IOException {
    CommandLineRun planned =
        CommandLineRun.of(
            "plan", checkpoint, "--bits", bits, "--calibration", calibration, "-o", plan);
    assertEquals(0, planned.exitCode(), planned.err());
    return JSON.readTree(plan.toFile());
  }

  private Map<String, String> hashes(Path checkpoint, String name) throws IOException {
    Path calibration = calibrate(checkpoint, name);
    Path plan = directory.resolve(name + ".json");
    Path pack = directory.resolve(name + ".bora");
    plan(checkpoint, calibration, plan, 3.2);
    CommandLineRun converted =
        CommandLineRun.of(
            "convert", checkpoint, "--plan", plan, "--calibration", calibration, "-o", pack);
    assertEquals(0, converted.exitCode(), converted.err());
    Map<String, String> hashes = new HashMap<>();
    JsonNode json = JSON.readTree(CommandLineRun.of("inspect", pack, "--json").out());
    for (JsonNode tensor : json.path("tensors")) {
      hashes.put(
          tensor.path("key").asText() + " " + tensor.path("encoding").asText(),
          tensor.path("sha256").asText());
    }
    return hashes;
  }

  @Test
  void thePackIsTheSameHoweverChannelsWereScaled() throws IOException {
    assertEquals(hashes(MIXTRAL, "original"), hashes(rescaled(), "other"));
  }

  /** Its siblings are as they were; no rescaling of channels could undo this. */
  @Test
  void anExpertThatMattersFarMoreGetsMoreBitsAndNoFewerInAnyProjection() throws IOException {
    CheckpointCopy copy = new CheckpointCopy(MIXTRAL, directory.resolve("super"));
    copy.scale("model.layers.1.block_sparse_moe.experts.3.w2", (row, column) -> 4);
    Path checkpoint = copy.write();
    Path plan = directory.resolve("super.json");
    Map<String, Double> bytes = new HashMap<>();
    for (JsonNode tensor :
        plan(checkpoint, calibrate(checkpoint, "c"), plan, 3.2).path("tensors")) {
      if (tensor.path("layer").asInt(-1) == 1 && tensor.has("expert")) {
        String name = tensor.path("expert").asText() + " " + tensor.path("role").asText();
        bytes.put(name, tensor.path("bytes").doubleValue());
      }
    }
    for (int sibling = 0; sibling < EXPERTS; sibling++) {
      if (sibling == 3) {
        continue;
      }
      double most = 0;
      double others = 0;
      for (String role : List.of("w1", "w3", "w2")) {
        double of = bytes.get("3 " + role);
        double other = bytes.get(sibling + " " + role);
        assertTrue(of >= other, role + " of expert " + sibling + ": " + bytes);
        most += of;
        others += other;
      }
      assertTrue(most > 1.4 * others, "expert " + sibling + ": " + bytes);
    }
  }
}
