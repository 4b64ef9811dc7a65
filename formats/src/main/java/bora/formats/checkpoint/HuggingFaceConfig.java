package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.json.StrictJson;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * Reads transformers' {@code config.json} of Mistral and Mixtral. Fields without which the model is
 * not defined must be there; where transformers has a meaning for an absent field ({@code
 * head_dim}, {@code sliding_window}, {@code tie_word_embeddings}), it is followed.
 */
final class HuggingFaceConfig {
  /** What transformers' MistralConfig takes for an absent sliding window (null means none). */
  private static final int MISTRAL_DEFAULT_WINDOW = 4096;

  private final Path file;
  private final JsonNode root;

  private HuggingFaceConfig(Path file, JsonNode root) {
    this.file = file;
    this.root = root;
  }

  /**
   * @throws CorruptFileException when the file is no config of a model that bora knows, or
   *     contradicts itself
   */
  static ModelConfig read(Path file) throws IOException {
    JsonNode root = StrictJson.readObject(file, Checkpoint.MAX_CONFIG_BYTES);
    return new HuggingFaceConfig(file, root).toModelConfig();
  }

  private ModelConfig toModelConfig() throws CorruptFileException {
    Architecture architecture = architecture();
    refuseWhatChangesTheModel();
    boolean mixtral = architecture == Architecture.MIXTRAL;
    int heads = integer("num_attention_heads");
    try {
      return new ModelConfig(
          architecture,
          integer("vocab_size"),
          integer("hidden_size"),
          integer("intermediate_size"),
          integer("num_hidden_layers"),
          heads,
          integer("num_key_value_heads"),
          headDim(heads),
          mixtral ? integer("num_local_experts") : 1,
          mixtral ? integer("num_experts_per_tok") : 1,
          number("rms_norm_eps", root.path("rms_norm_eps")),
          ropeTheta(),
          slidingWindow(architecture),
          integer("max_position_embeddings"),
          flag("tie_word_embeddings"),
          tokens("bos_token_id").stream().mapToInt(Integer::intValue).findFirst(),
          tokens("eos_token_id"));
    } catch (IllegalArgumentException e) {
      throw new CorruptFileException(file, e.getMessage(), e);
    }
  }

  private Architecture architecture() throws CorruptFileException {
    JsonNode type = root.path("model_type");
    for (Architecture architecture : Architecture.values()) {
      if (architecture.id().equals(type.textValue())) {
        requireClass(architecture);
        return architecture;
      }
    }
    throw new CorruptFileException(
        file,
        "model_type: expected \"mistral\" or \"mixtral\", found "
            + (type.isMissingNode() ? "nothing" : type));
  }

  private void requireClass(Architecture architecture) throws CorruptFileException {
    String expected =
        architecture == Architecture.MIXTRAL ? "MixtralForCausalLM" : "MistralForCausalLM";
    JsonNode classes = root.path("architectures");
    if (classes.isArray() && !classes.isEmpty() && !expected.equals(classes.get(0).textValue())) {
      throw new CorruptFileException(
          file,
          "architectures contradicts model_type: expected "
              + expected
              + ", found "
              + classes.get(0));
    }
  }

  private void refuseWhatChangesTheModel() throws CorruptFileException {
    JsonNode quantization = root.path("quantization_config");
    if (isAbsent(quantization)) {
      quantization = root.path("compression_config"); // compressed-tensors before 0.7
    }
    if (!isAbsent(quantization)) {
      throw new CorruptFileException(
          file,
          "the checkpoint is already quantized ("
              + quantization.path("quant_method").asText("unknown method")
              + "): expected float weights; convert the original checkpoint instead");
    }
    JsonNode activation = root.path("hidden_act");
    if (!activation.isMissingNode() && !"silu".equals(activation.textValue())) {
      throw new CorruptFileException(file, "hidden_act: expected \"silu\", found " + activation);
    }
    JsonNode rotary = root.path("partial_rotary_factor");
    if (!isAbsent(rotary) && rotary.asDouble() != 1) {
      throw new CorruptFileException(file, "partial_rotary_factor: expected 1, found " + rotary);
    }
    JsonNode scaling = root.path("rope_scaling");
    if (!isAbsent(scaling) && !isDefaultRope(scaling, "unknown")) {
      throw new CorruptFileException(file, "rope_scaling: expected null, found " + scaling);
    }
    JsonNode parameters = root.path("rope_parameters");
    if (!isAbsent(parameters) && !isDefaultRope(parameters, "default")) {
      throw new CorruptFileException(
          file, "rope_parameters.rope_type: expected \"default\", found " + parameters);
    }
  }

  private static boolean isDefaultRope(JsonNode rope, String absentType) {
    String type = rope.path("rope_type").asText(rope.path("type").asText(absentType));
    return rope.isObject() && type.equals("default");
  }

  /** Either spelling: {@code rope_theta}, or {@code rope_parameters.rope_theta} since version 5. */
  private double ropeTheta() throws CorruptFileException {
    JsonNode flat = root.path("rope_theta");
    JsonNode nested = root.path("rope_parameters").path("rope_theta");
    if (!isAbsent(flat) && !isAbsent(nested) && flat.doubleValue() != nested.doubleValue()) {
      throw new CorruptFileException(
          file,
          "rope_theta contradicts rope_parameters.rope_theta: expected one value, found "
              + flat
              + " and "
              + nested);
    }
    return number("rope_theta", isAbsent(flat) ? nested : flat);
  }

  private int headDim(int heads) throws CorruptFileException {
    if (!isAbsent(root.path("head_dim"))) {
      return integer("head_dim");
    }
    int hidden = integer("hidden_size");
    if (heads <= 0 || hidden % heads != 0) {
      throw new CorruptFileException(
          file,
          "hidden_size: expected a multiple of num_attention_heads = "
              + heads
              + " where head_dim is absent, found "
              + hidden);
    }
    return hidden / heads;
  }

  private OptionalInt slidingWindow(Architecture architecture) throws CorruptFileException {
    JsonNode window = root.path("sliding_window");
    if (window.isNull()) {
      return OptionalInt.empty();
    }
    if (window.isMissingNode()) {
      return architecture == Architecture.MISTRAL
          ? OptionalInt.of(MISTRAL_DEFAULT_WINDOW)
          : OptionalInt.empty();
    }
    return OptionalInt.of(integer("sliding_window"));
  }

  private List<Integer> tokens(String field) throws CorruptFileException {
    JsonNode node = root.path(field);
    List<Integer> tokens = new ArrayList<>();
    if (node.isArray()) {
      for (JsonNode token : node) {
        tokens.add(integer(field, token));
      }
    } else if (!isAbsent(node)) {
      tokens.add(integer(field, node));
    }
    return tokens;
  }

  private boolean flag(String field) throws CorruptFileException {
    JsonNode node = root.path(field);
    if (!isAbsent(node) && !node.isBoolean()) {
      throw new CorruptFileException(file, field + ": expected true or false, found " + node);
    }
    return node.asBoolean(false);
  }

  private int integer(String field) throws CorruptFileException {
    return integer(field, root.path(field));
  }

  private int integer(String field, JsonNode node) throws CorruptFileException {
    if (!node.isIntegralNumber() || !node.canConvertToInt()) {
      throw new CorruptFileException(
          file, field + ": expected an integer, found " + (isAbsent(node) ? "nothing" : node));
    }
    return node.intValue();
  }

  private double number(String field, JsonNode node) throws CorruptFileException {
    if (!node.isNumber()) {
      throw new CorruptFileException(
          file, field + ": expected a number, found " + (isAbsent(node) ? "nothing" : node));
    }
    return node.doubleValue();
  }

  private static boolean isAbsent(JsonNode node) {
    return node.isMissingNode() || node.isNull();
  }
}
