package bora.formats.json;

import bora.formats.CorruptFileException;
import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.OptionalInt;

/** A model's configuration and the keys of its tensors as manifests and plans write them. */
public final class ModelConfigJson {
  private ModelConfigJson() {}

  public static ObjectNode write(ModelConfig config) {
    ObjectNode node = StrictJson.newObject();
    node.put("architecture", config.architecture().id());
    node.put("vocabSize", config.vocabSize());
    node.put("hiddenSize", config.hiddenSize());
    node.put("intermediateSize", config.intermediateSize());
    node.put("layerCount", config.layerCount());
    node.put("headCount", config.headCount());
    node.put("kvHeadCount", config.kvHeadCount());
    node.put("headDim", config.headDim());
    node.put("expertCount", config.expertCount());
    node.put("expertsPerToken", config.expertsPerToken());
    node.put("rmsNormEps", config.rmsNormEps());
    node.put("ropeTheta", config.ropeTheta());
    putOptional(node, "slidingWindow", config.slidingWindow());
    node.put("maxPositionEmbeddings", config.maxPositionEmbeddings());
    node.put("tiedEmbeddings", config.tiedEmbeddings());
    putOptional(node, "bosTokenId", config.bosTokenId());
    config.eosTokenIds().forEach(node.putArray("eosTokenIds")::add);
    return node;
  }

  /**
   * @throws CorruptFileException when a field is missing, of the wrong type, or contradicts another
   */
  public static ModelConfig read(JsonFields fields) throws CorruptFileException {
    try {
      return new ModelConfig(
          architecture(fields),
          fields.smallInteger("vocabSize"),
          fields.smallInteger("hiddenSize"),
          fields.smallInteger("intermediateSize"),
          fields.smallInteger("layerCount"),
          fields.smallInteger("headCount"),
          fields.smallInteger("kvHeadCount"),
          fields.smallInteger("headDim"),
          fields.smallInteger("expertCount"),
          fields.smallInteger("expertsPerToken"),
          fields.number("rmsNormEps"),
          fields.number("ropeTheta"),
          optional(fields, "slidingWindow"),
          fields.smallInteger("maxPositionEmbeddings"),
          fields.flag("tiedEmbeddings"),
          optional(fields, "bosTokenId"),
          fields.smallIntegers("eosTokenIds"));
    } catch (IllegalArgumentException e) {
      throw fields.wrong("layerCount", "a consistent config", e.getMessage());
    }
  }

  private static Architecture architecture(JsonFields fields) throws CorruptFileException {
    String id = fields.text("architecture");
    for (Architecture architecture : Architecture.values()) {
      if (architecture.id().equals(id)) {
        return architecture;
      }
    }
    throw fields.wrong("architecture", "mistral or mixtral", id);
  }

  /** Writes {@code layer}, {@code role}, {@code expert}. */
  public static void putKey(ObjectNode node, TensorKey key) {
    putOptional(node, "layer", optional(key.layer()));
    node.put("role", key.role().id());
    putOptional(node, "expert", optional(key.expert()));
  }

  public static TensorKey readKey(JsonFields fields) throws CorruptFileException {
    try {
      return new TensorKey(
          optional(fields, "layer").orElse(TensorKey.NONE),
          TensorRole.ofId(fields.text("role")),
          optional(fields, "expert").orElse(TensorKey.NONE));
    } catch (IllegalArgumentException e) {
      throw fields.wrong("role", "a tensor of the model", e.getMessage());
    }
  }

  private static OptionalInt optional(int index) {
    return index == TensorKey.NONE ? OptionalInt.empty() : OptionalInt.of(index);
  }

  private static OptionalInt optional(JsonFields fields, String key) throws CorruptFileException {
    return fields.isNull(key) ? OptionalInt.empty() : OptionalInt.of(fields.smallInteger(key));
  }

  private static void putOptional(ObjectNode node, String key, OptionalInt value) {
    if (value.isPresent()) {
      node.put(key, value.getAsInt());
    } else {
      node.putNull(key);
    }
  }
}
