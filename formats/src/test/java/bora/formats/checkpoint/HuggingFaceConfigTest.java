package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class HuggingFaceConfigTest {
  @TempDir Path directory;

  private Path write(CheckpointFixture fixture) throws IOException {
    return fixture.write(directory).resolve("config.json");
  }

  private ModelConfig read(CheckpointFixture fixture) throws IOException {
    return HuggingFaceConfig.read(write(fixture));
  }

  @Test
  void readsMixtral() throws IOException {
    assertEquals(
        new ModelConfig(
            Architecture.MIXTRAL,
            24,
            16,
            24,
            2,
            4,
            2,
            4,
            4,
            2,
            1e-5,
            10_000,
            OptionalInt.empty(),
            128,
            false,
            OptionalInt.of(1),
            List.of(2)),
        read(CheckpointFixture.mixtral()));
  }

  @Test
  void mistralIsOneExpertOfOne() throws IOException {
    ModelConfig config = read(CheckpointFixture.mistral().config("num_local_experts", 8));
    assertEquals(Architecture.MISTRAL, config.architecture());
    assertEquals(1, config.expertCount());
    assertEquals(1, config.expertsPerToken());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "model_type",
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "num_local_experts",
        "num_experts_per_tok",
        "rms_norm_eps",
        "rope_theta",
        "max_position_embeddings"
      })
  void refusesConfigWithoutRequiredField(String field) throws IOException {
    for (CheckpointFixture fixture :
        List.of(
            CheckpointFixture.mixtral().withoutConfig(field),
            CheckpointFixture.mixtral().config(field, null),
            CheckpointFixture.mixtral().config(field, List.of()))) {
      Path file = write(fixture);
      assertCorrupt(file, () -> HuggingFaceConfig.read(file), field + ": expected ", ", found ");
    }
  }

  static List<Arguments> contradictions() {
    return List.of(
        refused(
            "heads not a multiple of kv heads",
            f -> f.config("num_key_value_heads", 3),
            "headCount: expected a multiple of 3, found 4"),
        refused(
            "more experts a token than experts",
            f -> f.config("num_experts_per_tok", 5),
            "expertsPerToken: expected at most 4, found 5"),
        refused("odd head_dim", f -> f.config("head_dim", 3), "headDim: expected an even number"),
        refused("head_dim zero", f -> f.config("head_dim", 0), "headDim"),
        refused(
            "hidden_size not a multiple of the heads",
            f -> f.config("hidden_size", 18),
            "hidden_size: expected a multiple of num_attention_heads = 4",
            "found 18"),
        refused("no heads", f -> f.config("num_attention_heads", 0), "num_attention_heads = 0"),
        refused("negative layers", f -> f.config("num_hidden_layers", -1), "layerCount", "-1"),
        refused(
            "architectures of the other family",
            f -> f.config("architectures", List.of("MistralForCausalLM")),
            "architectures contradicts model_type: expected MixtralForCausalLM"),
        refused("another family", f -> f.config("model_type", "llama"), "found \"llama\""),
        refused(
            "two different rope_theta",
            f -> f.config("rope_parameters", Map.of("rope_theta", 1e6)),
            "rope_theta contradicts rope_parameters.rope_theta"),
        refused(
            "GPTQ",
            f -> f.config("quantization_config", Map.of("quant_method", "gptq")),
            "already quantized (gptq)",
            "convert the original checkpoint instead"),
        refused(
            "quantized by nobody knows what",
            f -> f.config("quantization_config", Map.of()),
            "already quantized (unknown method)"),
        refused(
            "linear rope",
            f -> f.config("rope_scaling", Map.of("type", "linear", "factor", 2.0)),
            "rope_scaling: expected null",
            "linear"),
        refused(
            "yarn by the new name",
            f -> f.config("rope_scaling", Map.of("rope_type", "yarn", "factor", 2.0)),
            "rope_scaling: expected null"),
        refused(
            "rope scaled without a type",
            f -> f.config("rope_scaling", Map.of("factor", 2.0)),
            "rope_scaling: expected null"),
        refused("rope scaled by a word", f -> f.config("rope_scaling", "linear"), "rope_scaling"),
        refused(
            "yarn in rope_parameters",
            f -> f.config("rope_parameters", Map.of("rope_type", "yarn", "rope_theta", 1e4)),
            "rope_parameters.rope_type: expected \"default\""),
        refused("rope_parameters of a list", f -> f.config("rope_parameters", List.of()), "rope"),
        refused("gelu", f -> f.config("hidden_act", "gelu"), "hidden_act: expected \"silu\""),
        refused("no activation", f -> f.config("hidden_act", null), "hidden_act"),
        refused("window of zero", f -> f.config("sliding_window", 0), "slidingWindow"),
        refused("window of a word", f -> f.config("sliding_window", "4096"), "sliding_window"),
        refused("fractions", f -> f.config("vocab_size", 24.0), "vocab_size: expected an integer"),
        refused("a long", f -> f.config("vocab_size", 1L << 32), "vocab_size"),
        refused("a string", f -> f.config("vocab_size", "24"), "vocab_size"),
        refused(
            "ties by a word", f -> f.config("tie_word_embeddings", "no"), "tie_word_embeddings"),
        refused("eps of zero", f -> f.config("rms_norm_eps", 0), "rmsNormEps"),
        refused("a token beyond", f -> f.config("eos_token_id", List.of(2, 24)), "eosTokenIds"),
        refused("a token of a word", f -> f.config("bos_token_id", "<s>"), "bos_token_id"));
  }

  private static Arguments refused(
      String name, UnaryOperator<CheckpointFixture> change, String... words) {
    return Arguments.of(name, change, words);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("contradictions")
  void refuses(String name, UnaryOperator<CheckpointFixture> change, String[] words)
      throws IOException {
    Path file = write(change.apply(CheckpointFixture.mixtral()));
    assertCorrupt(file, () -> HuggingFaceConfig.read(file), words);
  }

  static List<Arguments> ropes() {
    Map<String, Object> nested = Map.of("rope_theta", 5e5, "rope_type", "default");
    return List.of(
        rope(5e5, f -> f.withoutConfig("rope_theta").config("rope_parameters", nested)),
        rope(5e5, f -> f.config("rope_theta", null).config("rope_parameters", nested)),
        rope(5e5, f -> f.config("rope_theta", 500_000).config("rope_parameters", nested)),
        rope(1e4, f -> f.config("rope_parameters", Map.of("rope_type", "default"))),
        rope(1e4, f -> f.config("rope_parameters", null)),
        rope(1e4, f -> f.config("rope_scaling", null)),
        rope(1e4, f -> f.config("rope_scaling", Map.of("type", "default"))));
  }

  private static Arguments rope(double theta, UnaryOperator<CheckpointFixture> change) {
    return Arguments.of(theta, change);
  }

  @ParameterizedTest
  @MethodSource("ropes")
  void acceptsBothSpellingsOfRope(double theta, UnaryOperator<CheckpointFixture> change)
      throws IOException {
    assertEquals(theta, read(change.apply(CheckpointFixture.mixtral())).ropeTheta());
  }

  @Test
  void slidingWindowFollowsTransformersDefaults() throws IOException {
    String field = "sliding_window";
    for (CheckpointFixture fixture :
        List.of(CheckpointFixture.mistral(), CheckpointFixture.mixtral())) {
      assertEquals(OptionalInt.empty(), read(fixture.config(field, null)).slidingWindow());
      assertEquals(OptionalInt.of(64), read(fixture.config(field, 64)).slidingWindow());
    }
    assertEquals(
        OptionalInt.of(4096),
        read(CheckpointFixture.mistral().withoutConfig(field)).slidingWindow());
    assertEquals(
        OptionalInt.empty(),
        read(CheckpointFixture.mixtral().withoutConfig(field)).slidingWindow());
  }

  @Test
  void absentFieldsHaveTransformersMeaning() throws IOException {
    CheckpointFixture fixture = CheckpointFixture.mistral();
    for (String field :
        List.of(
            "tie_word_embeddings", "bos_token_id", "eos_token_id", "hidden_act", "architectures")) {
      fixture.withoutConfig(field);
    }
    ModelConfig config = read(fixture);
    assertFalse(config.tiedEmbeddings());
    assertEquals(OptionalInt.empty(), config.bosTokenId());
    assertEquals(List.of(), config.eosTokenIds());
    assertEquals(4, config.headDim());
  }

  @Test
  void headDimNeedNotDivideTheHiddenSize() throws IOException {
    ModelConfig config = read(CheckpointFixture.mistral().config("head_dim", 6));
    assertEquals(6, config.headDim());
    assertEquals(24, config.queryWidth());
    assertTrue(read(CheckpointFixture.mistral().config("head_dim", null)).headDim() == 4);
  }

  @Test
  void severalEndTokensKeepTheirOrder() throws IOException {
    ModelConfig config = read(CheckpointFixture.mistral().config("eos_token_id", List.of(5, 2)));
    assertEquals(List.of(5, 2), config.eosTokenIds());
  }

  @Test
  void fieldsThatDoNotChangeTheModelAreIgnored() throws IOException {
    CheckpointFixture fixture = CheckpointFixture.mixtral();
    fixture.config("torch_dtype", "bfloat16").config("use_cache", true);
    assertEquals(read(CheckpointFixture.mixtral()), read(fixture));
  }
}
