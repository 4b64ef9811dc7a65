package bora.quantizer;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.UnsupportedVersionException;
import bora.formats.encoding.Encoding;
import bora.formats.json.JsonFields;
import bora.formats.json.ModelConfigJson;
import bora.formats.json.StrictJson;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Plans as JSON: {@code version}, {@code policy}, {@code checkpoint}, {@code calibration} where one
 * decided, {@code config}, {@code weightBytes}, {@code bitsPerWeight} and {@code tensors}, each
 * with {@code layer}, {@code role}, {@code expert}, {@code shape}, {@code encoding}, {@code bytes},
 * {@code reason}. What follows from the rest is checked when read.
 */
final class PlanJson {
  private static final int VERSION = 1;
  private static final int MAX_BYTES = 64 << 20;

  private PlanJson() {}

  static byte[] toBytes(QuantizationPlan plan) {
    return StrictJson.toBytes(toNode(plan));
  }

  static byte[] toIndentedBytes(QuantizationPlan plan) {
    return StrictJson.toIndentedBytes(toNode(plan));
  }

  private static ObjectNode toNode(QuantizationPlan plan) {
    ObjectNode root = StrictJson.newObject();
    root.put("version", VERSION);
    root.put("policy", plan.policy());
    root.put("checkpoint", plan.checkpoint());
    plan.calibration().ifPresent(sha256 -> root.put("calibration", sha256));
    root.set("config", ModelConfigJson.write(plan.config()));
    root.put("weightBytes", plan.weightBytes());
    root.put("bitsPerWeight", plan.bitsPerWeight());
    var tensors = root.putArray("tensors");
    for (PlannedTensor tensor : plan.tensors()) {
      ObjectNode node = tensors.addObject();
      ModelConfigJson.putKey(node, tensor.key());
      tensor.shape().dimensions().forEach(node.putArray("shape")::add);
      node.put("encoding", tensor.encoding().jsonName());
      node.put("bytes", tensor.bytes());
      node.put("reason", tensor.reason());
    }
    return root;
  }

  static QuantizationPlan read(Path file, ModelConfig config, String checkpoint)
      throws IOException {
    JsonFields root = JsonFields.of(file, StrictJson.readObject(file, MAX_BYTES));
    checkVersion(file, root);
    String planned = root.text("checkpoint");
    if (!planned.equals(checkpoint)) {
      throw new MismatchedArtifactException(
          file,
          "a plan for another checkpoint: expected "
              + checkpoint
              + ", found "
              + planned
              + "; make a new plan");
    }
    JsonFields configFields = root.object("config");
    if (!ModelConfigJson.read(configFields).equals(config)) {
      throw root.wrong("config", "the checkpoint's config", "another");
    }
    configFields.refuseOthers();
    List<PlannedTensor> tensors = new ArrayList<>();
    for (JsonFields fields : root.objects("tensors")) {
      tensors.add(readTensor(fields));
    }
    QuantizationPlan plan = plan(root, planned, config, tensors);
    requireEqual(root, "weightBytes", plan.weightBytes(), root.integer("weightBytes"));
    requireEqual(root, "bitsPerWeight", plan.bitsPerWeight(), root.number("bitsPerWeight"));
    root.refuseOthers();
    return plan;
  }

  private static void checkVersion(Path file, JsonFields root) throws IOException {
    long version = root.integer("version");
    if (version > VERSION) {
      throw new UnsupportedVersionException(
          file,
          UnsupportedVersionException.Reason.TOO_NEW,
          "a plan of a newer bora: expected version " + VERSION + ", found " + version);
    }
    requireEqual(root, "version", (long) VERSION, version);
  }

  private static PlannedTensor readTensor(JsonFields fields) throws CorruptFileException {
    TensorKey key = ModelConfigJson.readKey(fields);
    PlannedTensor tensor;
    try {
      tensor = new PlannedTensor(key, shape(fields), encoding(fields), fields.text("reason"));
    } catch (IllegalArgumentException e) {
      throw fields.wrong("encoding", "one that fits", e.getMessage());
    }
    requireEqual(fields, "bytes", tensor.bytes(), fields.integer("bytes"));
    fields.refuseOthers();
    return tensor;
  }

  private static TensorShape shape(JsonFields fields) throws CorruptFileException {
    List<Integer> dimensions = fields.smallIntegers("shape");
    boolean positive = dimensions.stream().allMatch(dimension -> dimension > 0);
    if (!positive || dimensions.isEmpty() || dimensions.size() > 2) {
      throw fields.wrong("shape", "one or two positive dimensions", dimensions);
    }
    return dimensions.size() == 1
        ? TensorShape.vector(dimensions.get(0))
        : TensorShape.matrix(dimensions.get(0), dimensions.get(1));
  }

  private static Encoding encoding(JsonFields fields) throws CorruptFileException {
    String name = fields.text("encoding");
    List<String> known = Arrays.stream(Encoding.values()).map(Encoding::jsonName).toList();
    return Encoding.ofName(name)
        .orElseThrow(() -> fields.wrong("encoding", "one of " + known, name));
  }

  private static QuantizationPlan plan(
      JsonFields root, String checkpoint, ModelConfig config, List<PlannedTensor> tensors)
      throws CorruptFileException {
    try {
      Optional<String> calibration =
          root.has("calibration") ? Optional.of(root.text("calibration")) : Optional.empty();
      return new QuantizationPlan(root.text("policy"), checkpoint, calibration, config, tensors);
    } catch (IllegalArgumentException e) {
      throw root.wrong("tensors", "the tensors of the model", e.getMessage());
    }
  }

  private static void requireEqual(JsonFields fields, String key, Object expected, Object found)
      throws CorruptFileException {
    if (!expected.equals(found)) {
      throw fields.wrong(key, expected.toString(), found);
    }
  }
}
