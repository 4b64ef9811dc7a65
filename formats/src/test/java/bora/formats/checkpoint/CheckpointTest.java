package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.checkpoint.CheckpointFixture.Weights;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which tensors a checkpoint may and must have. */
class CheckpointTest {
  private static final String Q1 = "model.layers.1.self_attn.q_proj.weight";
  private static final String EXPERT = "model.layers.1.block_sparse_moe.experts.3.w2.weight";

  @TempDir Path directory;

  static List<Arguments> validCheckpoints() {
    List<Arguments> valid = new ArrayList<>();
    for (Weights weights : Weights.values()) {
      for (int shards : new int[] {1, 3}) {
        valid.add(valid("mistral " + weights, CheckpointFixture.mistral(weights).shards(shards)));
        valid.add(valid("mixtral " + weights, CheckpointFixture.mixtral(weights).shards(shards)));
        valid.add(
            valid(
                "tied mixtral " + weights,
                CheckpointFixture.mixtral(weights).tied().shards(shards)));
      }
    }
    return valid;
  }

  private static Arguments valid(String name, CheckpointFixture fixture) {
    return Arguments.of(name, fixture);
  }

  @ParameterizedTest(name = "{0} [{index}]")
  @MethodSource("validCheckpoints")
  void opensWithEveryTensorOfItsConfig(String name, CheckpointFixture fixture) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(fixture.write(directory))) {
      ModelConfig config = checkpoint.config();
      assertEquals(name.contains("mixtral"), config.hasRouter());
      assertEquals(name.contains("tied"), config.tiedEmbeddings());
      long bytes = 0;
      for (TensorKey key : config.tensors().keySet()) {
        SourceTensor tensor = checkpoint.tensor(key);
        assertEquals(key, tensor.key());
        assertEquals(config.tensors().get(key), tensor.shape());
        assertTrue(name.endsWith(" " + tensor.type()), name);
        bytes += tensor.byteSize();
      }
      int elementBytes = name.endsWith("F32") ? 4 : 2;
      assertEquals(config.parameterCount() * elementBytes, bytes);
    }
  }

  @Test
  void mapsExpertsToGateUpAndDown() throws IOException {
    CheckpointFixture fixture = CheckpointFixture.mixtral(Weights.F32);
    String owner = "model.layers.1.block_sparse_moe.experts.2.";
    fixture.weight(owner + "w1.weight", 0, 1).weight(owner + "w3.weight", 0, 3);
    fixture.weight(owner + "w2.weight", 0, 2);
    try (Checkpoint checkpoint = Checkpoint.open(fixture.write(directory))) {
      assertEquals(1, firstWeight(checkpoint, TensorKey.ofExpert(1, 2, TensorRole.EXPERT_GATE)));
      assertEquals(3, firstWeight(checkpoint, TensorKey.ofExpert(1, 2, TensorRole.EXPERT_UP)));
      assertEquals(2, firstWeight(checkpoint, TensorKey.ofExpert(1, 2, TensorRole.EXPERT_DOWN)));
    }
  }

  @Test
  void mapsDenseProjectionsToExpertZero() throws IOException {
    CheckpointFixture fixture = CheckpointFixture.mistral(Weights.F32);
    String owner = "model.layers.0.mlp.";
    fixture.weight(owner + "gate_proj.weight", 0, 1).weight(owner + "up_proj.weight", 0, 3);
    fixture.weight(owner + "down_proj.weight", 0, 2);
    try (Checkpoint checkpoint = Checkpoint.open(fixture.write(directory))) {
      assertEquals(1, firstWeight(checkpoint, TensorKey.ofExpert(0, 0, TensorRole.EXPERT_GATE)));
      assertEquals(3, firstWeight(checkpoint, TensorKey.ofExpert(0, 0, TensorRole.EXPERT_UP)));
      assertEquals(2, firstWeight(checkpoint, TensorKey.ofExpert(0, 0, TensorRole.EXPERT_DOWN)));
    }
  }

  private static float firstWeight(Checkpoint checkpoint, TensorKey key) throws IOException {
    SourceTensor tensor = checkpoint.tensor(key);
    float[] row = new float[tensor.shape().columns()];
    tensor.readRows(0, 1, row, 0);
    return row[0];
  }

  @Test
  void everyTensorIsRequired() throws IOException {
    for (CheckpointFixture all :
        List.of(CheckpointFixture.mistral(), CheckpointFixture.mixtral())) {
      boolean mixtral = all.names().stream().anyMatch(name -> name.contains("experts"));
      for (String name : all.names()) {
        CheckpointFixture fixture =
            mixtral ? CheckpointFixture.mixtral() : CheckpointFixture.mistral();
        fixture.withoutTensor(name).write(directory);
        assertCorrupt(
            directory,
            () -> Checkpoint.open(directory),
            "tensor `" + name + "`: expected by the config, found in no weight file");
      }
    }
  }

  static List<Arguments> wrongTensors() {
    return List.of(
        wrong("unknown", f -> f.random("model.extra.weight", 2), "the config asks for no such"),
        wrong(
            "bias",
            f -> f.random("model.layers.0.self_attn.q_proj.bias", 16),
            "tensor `model.layers.0.self_attn.q_proj.bias`",
            "the config asks for no such tensor"),
        wrong(
            "a layer too many",
            f -> f.random("model.layers.2.input_layernorm.weight", 16),
            "`model.layers.2.input_layernorm.weight`"),
        wrong(
            "an expert too many",
            f -> f.random("model.layers.0.block_sparse_moe.experts.4.w1.weight", 24, 16),
            "experts.4.w1"),
        wrong(
            "quantized",
            f -> f.raw("model.layers.0.self_attn.q_proj.qweight", "I32", new byte[8], 2),
            "belongs to a quantized checkpoint (GPTQ or AWQ)",
            "convert the original one"),
        wrong(
            "packed",
            f -> f.raw("model.layers.0.self_attn.q_proj.weight_packed", "I32", new byte[8], 2),
            "belongs to a quantized checkpoint (compressed-tensors)"),
        wrong(
            "scaled",
            f -> f.raw("model.layers.0.self_attn.q_proj.weight_scale_inv", "F32", new byte[8], 2),
            "belongs to a quantized checkpoint (FP8 or compressed-tensors)"),
        wrong(
            "fused and not fused",
            f -> f.random("model.layers.0.mlp.experts.down_proj", 4, 16, 24),
            "`model.layers.0.mlp.experts.down_proj`",
            "the config asks for no such tensor"),
        wrong(
            "transposed",
            f -> f.random(EXPERT, 24, 16),
            "`" + EXPERT + "`: shape: expected [16, 24] by the config, found [24, 16]"),
        wrong("flattened", f -> f.random(Q1, 256), "shape: expected [16, 16]", "found [256]"),
        wrong("deeper", f -> f.random(Q1, 1, 16, 16), "found [1, 16, 16]"),
        wrong("a matrix for a vector", f -> f.random("model.norm.weight", 1, 16), "found [1, 16]"),
        wrong("a scalar", f -> f.random("model.norm.weight"), "found []"),
        wrong("empty", f -> f.random("model.norm.weight", 0), "found [0]"),
        wrong(
            "bytes",
            f -> f.raw(Q1, "I8", new byte[256], 16, 16),
            "`" + Q1 + "`: dtype: expected F32, F16 or BF16, found I8",
            "quantized"),
        wrong("float 8", f -> f.raw(Q1, "F8_E4M3", new byte[256], 16, 16), "found F8_E4M3"),
        wrong("float 64", f -> f.raw(Q1, "F64", new byte[2048], 16, 16), "found F64"));
  }

  private static Arguments wrong(
      String name, UnaryOperator<CheckpointFixture> change, String... words) {
    return Arguments.of(name, change, words);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("wrongTensors")
  void refusesTensorNamingItsFile(
      String name, UnaryOperator<CheckpointFixture> change, String[] words) throws IOException {
    change.apply(CheckpointFixture.mixtral()).write(directory);
    assertCorrupt(directory.resolve("model.safetensors"), () -> Checkpoint.open(directory), words);
  }

  @Test
  void floatTypesMayBeMixed() throws IOException {
    CheckpointFixture fixture = CheckpointFixture.mixtral(Weights.BF16);
    fixture.raw("model.norm.weight", "F32", new byte[64], 16);
    fixture.raw(Q1, "F16", new byte[512], 16, 16);
    try (Checkpoint checkpoint = Checkpoint.open(fixture.write(directory))) {
      assertEquals(
          WeightType.F32, checkpoint.tensor(TensorKey.ofModel(TensorRole.OUTPUT_NORM)).type());
      assertEquals(
          WeightType.F16, checkpoint.tensor(TensorKey.ofLayer(1, TensorRole.QUERY)).type());
    }
  }

  @Test
  void tiedHeadMayBeThereWhenItIsTheEmbedding() throws IOException {
    CheckpointFixture fixture = CheckpointFixture.mistral().config("tie_word_embeddings", true);
    fixture.copyTensor("model.embed_tokens.weight", "lm_head.weight").write(directory);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      TensorKey head = TensorKey.ofModel(TensorRole.LM_HEAD);
      assertFalse(checkpoint.config().tensors().containsKey(head));
      assertThrows(IllegalArgumentException.class, () -> checkpoint.tensor(head));
    }
  }

  @Test
  void tiedHeadWithOtherValuesIsRefused() throws IOException {
    CheckpointFixture.mistral().config("tie_word_embeddings", true).write(directory);
    assertCorrupt(
        directory.resolve("model.safetensors"),
        () -> Checkpoint.open(directory),
        "tensor `lm_head.weight`: expected the embedding's values (tied embeddings)");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.layers.1.self_attn.rotary_emb.inv_freq"
      })
  void rotaryFrequenciesOfOldCheckpointsAreIgnored(String name) throws IOException {
    CheckpointFixture.mistral().raw(name, "F32", new byte[8], 2).write(directory);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      assertEquals(checkpoint.config().tensorCount(), checkpoint.config().tensors().size());
    }
  }

  @Test
  void impossibleLayerCountsAreNotListed() throws IOException {
    CheckpointFixture.mixtral().config("num_hidden_layers", 100_000_000).write(directory);
    assertCorrupt(
        directory,
        () -> Checkpoint.open(directory),
        "number of tensors: expected 1900000003 by the config, found 41");
    CheckpointFixture.mistral().config("num_hidden_layers", Integer.MAX_VALUE).write(directory);
    assertCorrupt(directory, () -> Checkpoint.open(directory), "number of tensors");
  }

  @Test
  void impossibleExpertCountsAreNotListed() throws IOException {
    CheckpointFixture.mixtral().config("num_local_experts", Integer.MAX_VALUE).write(directory);
    assertCorrupt(
        directory.resolve("config.json"),
        () -> Checkpoint.open(directory),
        "layerCount * expertCount: expected below 2^31, found 4294967294");
    CheckpointFixture.mixtral().config("num_local_experts", 1 << 30).write(directory);
    assertCorrupt(directory.resolve("config.json"), () -> Checkpoint.open(directory));
    CheckpointFixture.mixtral().config("num_local_experts", 1 << 28).write(directory);
    assertCorrupt(directory, () -> Checkpoint.open(directory), "number of tensors");
  }

  @Test
  void hugeSizesAreWrongShapesAndNotAllocated() throws IOException {
    CheckpointFixture.mixtral().config("intermediate_size", Integer.MAX_VALUE).write(directory);
    assertCorrupt(
        directory.resolve("model.safetensors"),
        () -> Checkpoint.open(directory),
        "expected [2147483647, 16] by the config, found [24, 16]");
  }

  @Test
  void askingForATensorOfAnotherModelIsTheCallersMistake() throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(CheckpointFixture.mistral().write(directory))) {
      TensorKey router = TensorKey.ofLayer(0, TensorRole.ROUTER);
      assertThrows(IllegalArgumentException.class, () -> checkpoint.tensor(router));
    }
  }
}
