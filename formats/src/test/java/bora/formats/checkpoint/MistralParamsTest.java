package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.model.KnownModel;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class MistralParamsTest {
  /** As Mistral AI published it with Mistral 7B v0.1. */
  private static final String V0_1 =
      """
      {"dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32,
       "n_kv_heads": 8, "norm_eps": 1e-05, "sliding_window": 4096, "vocab_size": 32000}
      """;

  /** As Mistral AI published it with Mixtral 8x7B. */
  private static final String MIXTRAL =
      """
      {"dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32,
       "n_kv_heads": 8, "norm_eps": 1e-05, "vocab_size": 32000,
       "moe": {"num_experts_per_tok": 2, "num_experts": 8}}
      """;

  @TempDir Path directory;

  private Path params(String json) throws IOException {
    return Files.writeString(directory.resolve("params.json"), json);
  }

  @Test
  void publishedFilesGiveThePublishedModels() throws IOException {
    assertEquals(KnownModel.MISTRAL_7B_V0_1.config(), Checkpoint.readConfig(params(V0_1)));
    assertEquals(KnownModel.MIXTRAL_8X7B_V0_1.config(), Checkpoint.readConfig(params(MIXTRAL)));
  }

  @Test
  void readsFromTheDirectoryToo() throws IOException {
    params(MIXTRAL);
    assertEquals(KnownModel.MIXTRAL_8X7B_V0_1.config(), Checkpoint.readConfig(directory));
  }

  @Test
  void absentFieldsFollowFromOthers() throws IOException {
    ModelConfig config =
        Checkpoint.readConfig(
            params(
                V0_1.replace("\"head_dim\": 128, ", "")
                    .replace("\"n_kv_heads\": 8, ", "\"rope_theta\": 5e5, \"max_seq_len\": 777, ")
                    .replace("4096, \"vocab", "\"8192\", \"tied_embeddings\": true, \"vocab")));
    assertEquals(128, config.headDim());
    assertEquals(32, config.kvHeadCount());
    assertEquals(5e5, config.ropeTheta());
    assertEquals(777, config.maxPositionEmbeddings());
    assertEquals(OptionalInt.of(8192), config.slidingWindow());
    assertEquals(true, config.tiedEmbeddings());
  }

  static List<Arguments> refused() {
    return List.of(
        Arguments.of("\"dim\": 4096,", "", "dim: missing"),
        Arguments.of("\"dim\": 4096", "\"dim\": \"x\"", "dim: expected an integer"),
        Arguments.of("\"dim\": 4096", "\"dim\": 4294967296", "below 2^31"),
        Arguments.of("\"n_heads\": 32", "\"n_heads\": 0", "headCount: expected a positive"),
        Arguments.of("\"head_dim\": 128, ", "\"head_dim\": 3, ", "headDim"),
        Arguments.of("\"n_kv_heads\": 8", "\"n_kv_heads\": 7", "headCount: expected a multiple"),
        Arguments.of("\"sliding_window\": 4096", "\"sliding_window\": \"x\"", "number of tokens"),
        Arguments.of("{", "{\"quantization\": {\"qformat_weight\": \"fp8_e4m3\"},", "quantized"),
        Arguments.of("{", "{\"yarn\": {\"factor\": 16},", "yarn"),
        Arguments.of("{", "{\"vision_encoder\": {},", "vision_encoder"),
        Arguments.of("{", "{\"model_type\": \"mamba\",", "expected transformer, found mamba"),
        Arguments.of("{", "{\"moe\": {\"num_experts\": 8},", "moe.num_experts_per_tok: missing"),
        Arguments.of("{", "{\"moe\": 8,", "moe: expected an object"),
        Arguments.of("{", "{\"dim\": 1,", "Duplicate"),
        Arguments.of("{", "[", "no valid JSON"));
  }

  @ParameterizedTest(name = "{1}: {2}")
  @MethodSource("refused")
  void refuses(String original, String replacement, String word) throws IOException {
    Path params = params(V0_1.replace(original, replacement));
    assertCorrupt(params, () -> Checkpoint.readConfig(params), word);
  }

  @Test
  void headsMustDivideTheWidthWhereTheirOwnIsAbsent() throws IOException {
    Path params = params(V0_1.replace("\"head_dim\": 128, ", "").replace("4096, \"n", "4097, \"n"));
    assertCorrupt(params, () -> Checkpoint.readConfig(params), "dim: expected a multiple");
  }
}
