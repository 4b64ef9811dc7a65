package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.CheckpointFixture.Weights;
import bora.formats.checkpoint.GgufVocabulary.Kind;
import bora.formats.checkpoint.GgufVocabulary.Token;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is written is read again: config, rows in the model's order, types. */
class GgufWriterTest {
  @TempDir Path directory;

  private Path file() {
    return directory.resolve("model.gguf");
  }

  private static Map<TensorKey, WeightType> types(ModelConfig config, WeightType type) {
    Map<TensorKey, WeightType> types = new LinkedHashMap<>();
    config.tensors().keySet().forEach(key -> types.put(key, type));
    return types;
  }

  private void write(Checkpoint from, Map<TensorKey, WeightType> types) throws IOException {
    GgufWriter.write(
        file(),
        from.config(),
        Optional.empty(),
        types,
        (key, row, values) -> from.tensor(key).readRows(row, 1, values, 0),
        ProgressListener.NONE);
  }

  @ParameterizedTest
  @EnumSource
  void everyWeightIsReadAgain(Weights weights) throws IOException {
    for (CheckpointFixture fixture :
        List.of(
            CheckpointFixture.mixtral(weights),
            CheckpointFixture.mistral(weights).tied().config("sliding_window", 7))) {
      WeightType type = weights == Weights.BF16 ? WeightType.BF16 : WeightType.F32;
      try (Checkpoint source = Checkpoint.open(fixture.write(directory.resolve("hub")))) {
        write(source, types(source.config(), type));
        try (Checkpoint written = Checkpoint.open(file())) {
          assertEquals(CheckpointLayout.GGUF, written.layout());
          assertEquals(withoutTokens(source.config()), written.config());
          for (TensorKey key : source.config().tensors().keySet()) {
            assertEquals(type, written.tensor(key).type());
            assertArrayEquals(values(source.tensor(key)), values(written.tensor(key)));
          }
        }
      }
    }
  }

  /** Begin and end of a text belong to the tokenizer, of which nothing was written. */
  private static ModelConfig withoutTokens(ModelConfig c) {
    return new ModelConfig(
        c.architecture(),
        c.vocabSize(),
        c.hiddenSize(),
        c.intermediateSize(),
        c.layerCount(),
        c.headCount(),
        c.kvHeadCount(),
        c.headDim(),
        c.expertCount(),
        c.expertsPerToken(),
        c.rmsNormEps(),
        c.ropeTheta(),
        c.slidingWindow(),
        c.maxPositionEmbeddings(),
        c.tiedEmbeddings(),
        OptionalInt.empty(),
        List.of());
  }

  private static float[] values(SourceTensor tensor) throws IOException {
    float[] values = new float[Math.toIntExact(tensor.shape().elementCount())];
    tensor.readRows(0, tensor.shape().rows(), values, 0);
    return values;
  }

  @Test
  void q80RoundsToTheNearestOf255Steps() throws IOException {
    CheckpointFixture fixture = CheckpointFixture.mistral(Weights.F32);
    fixture.config("intermediate_size", 32);
    for (int layer = 0; layer < 2; layer++) {
      String prefix = "model.layers." + layer + ".mlp.";
      fixture.random(prefix + "gate_proj.weight", 32, 16).random(prefix + "up_proj.weight", 32, 16);
      fixture.random(prefix + "down_proj.weight", 16, 32);
    }
    TensorKey down = TensorKey.ofExpert(1, 0, TensorRole.EXPERT_DOWN);
    try (Checkpoint source = Checkpoint.open(fixture.write(directory.resolve("hub")))) {
      Map<TensorKey, WeightType> types = types(source.config(), WeightType.F32);
      types.put(down, WeightType.Q8_0);
      write(source, types);
      float[] exact = values(source.tensor(down));
      try (Checkpoint written = Checkpoint.open(file())) {
        float[] rounded = values(written.tensor(down));
        for (int block = 0; block < exact.length; block += 32) {
          float largest = 0;
          for (int i = block; i < block + 32; i++) {
            largest = Math.max(largest, Math.abs(exact[i]));
          }
          for (int i = block; i < block + 32; i++) {
            // Half a step, and the rounding of the step to float16 over up to 127 steps.
            assertEquals(exact[i], rounded[i], largest / 127 * 0.5f + largest * 0x1p-11f);
          }
        }
      }
    }
  }

  /** gguf-py 0.19.0's quantize of the same values. */
  @Test
  void q80BytesAreThoseOfLlamaCpp() {
    float[] row = new float[32];
    for (int i = 0; i < 32; i++) {
      row[i] = (i - 11) * 0.37f;
    }
    ByteBuffer out = ByteBuffer.allocate(34).order(ByteOrder.LITTLE_ENDIAN);
    WeightEncoder.encode(WeightType.Q8_0, row, out);
    assertEquals(
        "752bbac0c7cdd4dae0e7edf3fa00060d131920262c333940464c53595f666c72797f",
        HexFormat.of().formatHex(out.array()));
  }

  @Test
  void expertsOfSeveralTypesAreTheCallersMistake() throws IOException {
    Path hub = CheckpointFixture.mixtral().write(directory.resolve("hub"));
    try (Checkpoint source = Checkpoint.open(hub)) {
      Map<TensorKey, WeightType> types = types(source.config(), WeightType.BF16);
      types.put(TensorKey.ofExpert(0, 1, TensorRole.EXPERT_UP), WeightType.F32);
      assertThrows(IllegalArgumentException.class, () -> write(source, types));
      types.replaceAll((key, type) -> WeightType.Q8_0); // rows of 16
      assertThrows(IllegalArgumentException.class, () -> write(source, types));
      assertFalse(Files.exists(file()));
    }
  }

  @Test
  void failureLeavesTheOlderFile() throws IOException {
    Files.writeString(file(), "older");
    Path hub = CheckpointFixture.mistral().write(directory.resolve("hub"));
    try (Checkpoint source = Checkpoint.open(hub)) {
      AtomicLong rows = new AtomicLong();
      assertThrows(
          IOException.class,
          () ->
              GgufWriter.write(
                  file(),
                  source.config(),
                  Optional.empty(),
                  types(source.config(), WeightType.F32),
                  (key, row, values) -> {
                    if (rows.incrementAndGet() == 30) {
                      throw new IOException("read error");
                    }
                  },
                  ProgressListener.NONE));
    }
    assertEquals("older", Files.readString(file()));
    try (var left = Files.list(directory)) {
      assertEquals(2, left.count());
    }
  }

  private static final String TOKENIZER =
      """
      {"added_tokens": [{"id": 1, "content": "<s>", "special": true},
                        {"id": 0, "content": "<unk>", "special": true},
                        {"id": 5, "content": "[USER]", "special": false}],
       "model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
                 "vocab": {"<unk>": 0, "<s>": 1, "<0x0A>": 2, "\u2581a": 3}}}
      """;

  private static Optional<GgufVocabulary> vocabulary(String json, int size) throws IOException {
    return GgufVocabulary.ofTokenizerJson(
        Path.of("tokenizer.json"), json.getBytes(StandardCharsets.UTF_8), size);
  }

  @Test
  void vocabularyFollowsTheTokenizer() throws IOException {
    assertEquals(
        List.of(
            new Token("<unk>", Kind.UNKNOWN),
            new Token("<s>", Kind.CONTROL),
            new Token("<0x0A>", Kind.BYTE),
            new Token("\u2581a", Kind.NORMAL),
            new Token("[UNUSED_4]", Kind.UNUSED),
            new Token("[USER]", Kind.NORMAL)),
        vocabulary(TOKENIZER, 6).orElseThrow().tokens());
  }

  @Test
  void tokenizersOfOtherKindsHaveNoVocabulary() throws IOException {
    assertTrue(vocabulary(TOKENIZER.replace("true, \"unk", "false, \"unk"), 6).isEmpty());
    assertTrue(vocabulary(TOKENIZER.replace("BPE", "Unigram"), 6).isEmpty());
  }

  @Test
  void tokensBeyondTheModelAreRefused() {
    Path tokenizer = Path.of("tokenizer.json");
    assertCorrupt(tokenizer, () -> vocabulary(TOKENIZER, 5), "`[USER]`", "below the model's 5");
    String text = TOKENIZER.replace("\"<s>\": 1", "\"<s>\": \"1\"");
    assertCorrupt(tokenizer, () -> vocabulary(text, 6), "`<s>`", "found \"1\"");
  }

  @Test
  void vocabularyIsWritten() throws IOException {
    CheckpointFixture fixture = CheckpointFixture.mistral();
    try (Checkpoint source = Checkpoint.open(fixture.write(directory.resolve("hub")))) {
      GgufWriter.write(
          file(),
          source.config(),
          vocabulary(TOKENIZER, source.config().vocabSize()),
          types(source.config(), WeightType.F32),
          (key, row, values) -> source.tensor(key).readRows(row, 1, values, 0),
          ProgressListener.NONE);
      try (GgufFile written = GgufFile.open(file())) {
        Map<String, GgufValue> metadata = written.metadata();
        assertEquals(new GgufValue.Text("llama"), metadata.get("tokenizer.ggml.model"));
        assertEquals(new GgufValue.Array(24), metadata.get("tokenizer.ggml.tokens"));
        assertEquals(new GgufValue.Array(24), metadata.get("tokenizer.ggml.scores"));
        assertEquals(new GgufValue.Array(24), metadata.get("tokenizer.ggml.token_type"));
        assertEquals(source.config(), GgufConfig.of(written));
      }
    }
  }
}
