package bora.formats.checkpoint;

import bora.formats.checkpoint.GgufVocabulary.Token;
import bora.formats.model.ModelConfig;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/** Collects what stands before the tensors of a GGUF file; see {@link GgufHeader}. */
final class GgufHeaderWriter {
  private static final int UINT32 = 4;
  private static final int INT32 = 5;
  private static final int FLOAT32 = 6;
  private static final int BOOL = 7;
  private static final int STRING = 8;
  private static final int ARRAY = 9;

  /** llama.cpp's {@code llama_ftype}; for people, loaders look at each tensor. */
  private static final int MOSTLY_Q8_0 = 7;

  private static final int MOSTLY_BF16 = 32;
  private static final int ALL_F32 = 0;

  private final ByteArrayOutputStream metadata = new ByteArrayOutputStream();
  private final ByteArrayOutputStream tensors = new ByteArrayOutputStream();
  private int keyCount;
  private int tensorCount;

  /** The model's shape and what its tensors are made of. */
  void putConfig(ModelConfig config, Collection<WeightType> types) {
    putText("general.architecture", GgufConfig.ARCHITECTURE);
    putInteger("general.quantization_version", 2);
    putInteger(
        "general.file_type",
        types.contains(WeightType.Q8_0)
            ? MOSTLY_Q8_0
            : types.contains(WeightType.BF16) ? MOSTLY_BF16 : ALL_F32);
    putInteger("llama.vocab_size", config.vocabSize());
    putInteger("llama.context_length", config.maxPositionEmbeddings());
    putInteger("llama.embedding_length", config.hiddenSize());
    putInteger("llama.block_count", config.layerCount());
    putInteger("llama.feed_forward_length", config.intermediateSize());
    putInteger("llama.attention.head_count", config.headCount());
    putInteger("llama.attention.head_count_kv", config.kvHeadCount());
    putInteger("llama.attention.key_length", config.headDim());
    putInteger("llama.attention.value_length", config.headDim());
    putInteger("llama.rope.dimension_count", config.headDim());
    putFloat("llama.rope.freq_base", (float) config.ropeTheta());
    putFloat("llama.attention.layer_norm_rms_epsilon", (float) config.rmsNormEps());
    config
        .slidingWindow()
        .ifPresent(tokens -> putInteger("llama.attention.sliding_window", tokens));
    if (config.hasRouter()) {
      putInteger("llama.expert_count", config.expertCount());
      putInteger("llama.expert_used_count", config.expertsPerToken());
    }
  }

  /** The tokenizer; without a vocabulary llama.cpp takes token ids alone. */
  void putVocabulary(ModelConfig config, Optional<GgufVocabulary> vocabulary) {
    putText("tokenizer.ggml.model", vocabulary.isPresent() ? "llama" : "no_vocab");
    if (vocabulary.isEmpty()) {
      return;
    }
    List<Token> tokens = vocabulary.get().tokens();
    putText("tokenizer.ggml.pre", "default");
    putArray("tokenizer.ggml.tokens", STRING, tokens.size());
    tokens.forEach(token -> text(metadata, token.text()));
    putArray("tokenizer.ggml.scores", FLOAT32, tokens.size());
    for (int id = 0; id < tokens.size(); id++) {
      int32(metadata, Float.floatToRawIntBits(-(float) id));
    }
    putArray("tokenizer.ggml.token_type", INT32, tokens.size());
    tokens.forEach(token -> int32(metadata, token.kind().id()));
    config.bosTokenId().ifPresent(id -> putInteger("tokenizer.ggml.bos_token_id", id));
    config.eosTokenIds().stream()
        .findFirst()
        .ifPresent(id -> putInteger("tokenizer.ggml.eos_token_id", id));
    key("tokenizer.ggml.add_bos_token", BOOL);
    metadata.write(1);
  }

  /**
   * @param dimensions outermost first
   */
  void putTensor(String name, List<Long> dimensions, WeightType type, long offsetBytes) {
    tensorCount++;
    text(tensors, name);
    int32(tensors, dimensions.size());
    dimensions.reversed().forEach(size -> int64(tensors, size));
    int32(tensors, GgmlType.of(type).id());
    int64(tensors, offsetBytes);
  }

  /** The whole header with the padding behind it. */
  byte[] toBytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(GgufHeader.MAGIC.getBytes(StandardCharsets.US_ASCII));
    int32(out, GgufHeader.VERSION);
    int64(out, tensorCount);
    int64(out, keyCount);
    out.writeBytes(metadata.toByteArray());
    out.writeBytes(tensors.toByteArray());
    out.writeBytes(new byte[Math.floorMod(-out.size(), GgufHeader.DEFAULT_ALIGNMENT)]);
    return out.toByteArray();
  }

  private void key(String name, int type) {
    keyCount++;
    text(metadata, name);
    int32(metadata, type);
  }

  private void putArray(String name, int elementType, int length) {
    key(name, ARRAY);
    int32(metadata, elementType);
    int64(metadata, length);
  }

  private void putInteger(String name, int value) {
    key(name, UINT32);
    int32(metadata, value);
  }

  private void putFloat(String name, float value) {
    key(name, FLOAT32);
    int32(metadata, Float.floatToRawIntBits(value));
  }

  private void putText(String name, String value) {
    key(name, STRING);
    text(metadata, value);
  }

  private static void text(ByteArrayOutputStream out, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    int64(out, utf8.length);
    out.writeBytes(utf8);
  }

  private static void int32(ByteArrayOutputStream out, int value) {
    out.writeBytes(littleEndian(Integer.BYTES).putInt(value).array());
  }

  private static void int64(ByteArrayOutputStream out, long value) {
    out.writeBytes(littleEndian(Long.BYTES).putLong(value).array());
  }

  private static ByteBuffer littleEndian(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
