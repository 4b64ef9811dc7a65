package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * Reads the model's shape from the metadata of a GGUF file. Mistral and Mixtral are both of
 * llama.cpp's architecture "llama". The vocabulary's size is the embedding's, and embeddings are
 * tied where there is no output tensor, as in llama.cpp.
 */
final class GgufConfig {
  static final String ARCHITECTURE = "llama";

  /** llama.cpp's default for files without {@code rope.freq_base}. */
  private static final double DEFAULT_ROPE_THETA = 10_000;

  /** Keys of related models whose arithmetic is another; zero means that they are off. */
  private static final List<String> CHANGING_THE_MODEL =
      List.of(
          "attention.scale",
          "embedding_scale",
          "residual_scale",
          "logit_scale",
          "expert_shared_count",
          "expert_group_count");

  private final Path file;
  private final Map<String, GgufValue> metadata;

  private GgufConfig(Path file, Map<String, GgufValue> metadata) {
    this.file = file;
    this.metadata = metadata;
  }

  /**
   * @throws CorruptFileException when it is a file of another architecture, of several parts, or
   *     contradicts itself
   */
  static ModelConfig of(GgufFile gguf) throws CorruptFileException {
    return new GgufConfig(gguf.path(), gguf.metadata()).toModelConfig(gguf.tensors());
  }

  private ModelConfig toModelConfig(List<StoredTensor> tensors) throws CorruptFileException {
    requireArchitecture();
    refuseWhatChangesTheModel();
    int heads = integer("attention.head_count");
    int hidden = integer("embedding_length");
    int experts = has("expert_count") ? integer("expert_count") : 0;
    boolean mixtral = experts > 1;
    int headDim = headDim(hidden, heads);
    try {
      return new ModelConfig(
          mixtral ? Architecture.MIXTRAL : Architecture.MISTRAL,
          vocabulary(tensors),
          hidden,
          integer("feed_forward_length"),
          integer("block_count"),
          heads,
          has("attention.head_count_kv") ? integer("attention.head_count_kv") : heads,
          headDim,
          mixtral ? experts : 1,
          mixtral ? integer("expert_used_count") : 1,
          number("attention.layer_norm_rms_epsilon"),
          has("rope.freq_base") ? number("rope.freq_base") : DEFAULT_ROPE_THETA,
          has("attention.sliding_window")
              ? OptionalInt.of(integer("attention.sliding_window"))
              : OptionalInt.empty(),
          integer("context_length"),
          tensors.stream().noneMatch(tensor -> tensor.name().equals(GgufNames.LM_HEAD)),
          token("bos"),
          token("eos").stream().boxed().toList());
    } catch (IllegalArgumentException e) {
      throw new CorruptFileException(file, e.getMessage(), e);
    }
  }

  private void requireArchitecture() throws CorruptFileException {
    GgufValue architecture = metadata.get("general.architecture");
    if (!new GgufValue.Text(ARCHITECTURE).equals(architecture)) {
      throw wrong("general.architecture", "\"llama\", as Mistral and Mixtral have", architecture);
    }
    GgufValue parts = metadata.get("split.count");
    if (parts != null && !new GgufValue.Whole(1).equals(parts) && !isZero(parts)) {
      throw new CorruptFileException(
          file,
          "expected a whole model, found one part of several;"
              + " merge them with `llama-gguf-split --merge`");
    }
  }

  private void refuseWhatChangesTheModel() throws CorruptFileException {
    for (String key : CHANGING_THE_MODEL) {
      if (has(key) && !isZero(value(key))) {
        throw wrong(key(key), "a model of Mistral or Mixtral, which has no such key", value(key));
      }
    }
    if (has("rope.scaling.type")
        && !new GgufValue.Text("none").equals(value("rope.scaling.type"))) {
      throw wrong(key("rope.scaling.type"), "none", value("rope.scaling.type"));
    }
    if (has("rope.scale_linear") && number("rope.scale_linear") != 1) {
      throw wrong(key("rope.scale_linear"), "1", value("rope.scale_linear"));
    }
  }

  private static boolean isZero(GgufValue value) {
    return value.equals(new GgufValue.Whole(0)) || value.equals(new GgufValue.Real(0));
  }

  private int headDim(int hidden, int heads) throws CorruptFileException {
    int headDim;
    if (has("attention.key_length")) {
      headDim = integer("attention.key_length");
    } else if (heads > 0 && hidden % heads == 0) {
      headDim = hidden / heads;
    } else {
      throw wrong(key("embedding_length"), "a multiple of the heads, " + heads, hidden);
    }
    for (String sameKey : List.of("rope.dimension_count", "attention.value_length")) {
      if (has(sameKey) && integer(sameKey) != headDim) {
        throw wrong(key(sameKey), "the width of a head, " + headDim, value(sameKey));
      }
    }
    return headDim;
  }

  private int vocabulary(List<StoredTensor> tensors) throws CorruptFileException {
    for (StoredTensor tensor : tensors) {
      if (tensor.name().equals(GgufNames.EMBEDDING)
          && tensor.dimensions().size() == 2
          && tensor.dimensions().getFirst() <= Integer.MAX_VALUE) {
        return tensor.dimensions().getFirst().intValue();
      }
    }
    throw new CorruptFileException(
        file, "tensor `" + GgufNames.EMBEDDING + "`: expected a matrix of tokens, found none");
  }

  private OptionalInt token(String which) throws CorruptFileException {
    String key = "tokenizer.ggml." + which + "_token_id";
    GgufValue value = metadata.get(key);
    return value == null ? OptionalInt.empty() : OptionalInt.of(integer(key, value));
  }

  private boolean has(String suffix) {
    return metadata.containsKey(key(suffix));
  }

  private int integer(String suffix) throws CorruptFileException {
    return integer(key(suffix), value(suffix));
  }

  private int integer(String key, GgufValue value) throws CorruptFileException {
    if (value instanceof GgufValue.Whole(long whole) && whole == (int) whole) {
      return (int) whole;
    }
    throw wrong(key, "an integer below 2^31", value);
  }

  private double number(String suffix) throws CorruptFileException {
    if (value(suffix) instanceof GgufValue.Real(double real)) {
      return real;
    }
    throw wrong(key(suffix), "a number", value(suffix));
  }

  private GgufValue value(String suffix) {
    return metadata.get(key(suffix));
  }

  private static String key(String suffix) {
    return ARCHITECTURE + "." + suffix;
  }

  private CorruptFileException wrong(String key, String expected, Object found) {
    String text =
        switch (found) {
          case null -> "nothing";
          case GgufValue.Whole(long value) -> String.valueOf(value);
          case GgufValue.Real(double value) -> String.valueOf(value);
          case GgufValue.Flag(boolean value) -> String.valueOf(value);
          case GgufValue.Text(String value) -> "\"" + value + "\"";
          case GgufValue.Array(long length) -> "an array of " + length;
          default -> found.toString();
        };
    return new CorruptFileException(file, key + ": expected " + expected + ", found " + text);
  }
}
