package bora.converter;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.checkpoint.SourceTensor;
import bora.formats.json.ModelConfigJson;
import bora.formats.json.StrictJson;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.ManifestJson;
import bora.formats.pack.PackEntry;
import bora.formats.pack.PackManifest;
import bora.formats.pack.PackReader;
import bora.formats.pack.Provenance;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What {@code bora inspect --json} says of packs, checkpoints and configs. */
public final class InspectionJson {
  private InspectionJson() {}

  /** A config alone. */
  public static ObjectNode ofConfig(ModelConfig config) {
    ObjectNode root = StrictJson.newObject();
    root.set("config", ModelConfigJson.write(config));
    root.putObject("parameters")
        .put("total", config.parameterCount())
        .put("active", config.activeParameterCount());
    return root;
  }

  public static ObjectNode ofPack(PackReader pack) {
    PackManifest manifest = pack.manifest();
    ObjectNode root = StrictJson.newObject();
    root.putObject("format").put("major", manifest.major()).put("minor", manifest.minor());
    root.setAll(ofConfig(pack.config()));
    root.put("bytes", pack.byteSize());
    root.put("weightBytes", manifest.weightBytes());
    root.put("bitsPerWeight", manifest.bitsPerWeight());
    ArrayNode tensors = root.putArray("tensors");
    for (PackEntry entry : manifest.entries().values()) {
      ManifestJson.putEntry(tensors.addObject().put("key", entry.key().id()), entry);
    }
    Provenance provenance = manifest.provenance();
    ManifestJson.putSources(root, provenance);
    ManifestJson.putAttachments(root, manifest);
    root.putObject("provenance")
        .put("tool", "bora " + provenance.toolVersion())
        .put("checkpoint", provenance.checkpoint())
        .put("plan", provenance.planName())
        .put("planSha256", provenance.planSha256())
        .put("calibration", provenance.calibrationSha256().orElse(null));
    return root;
  }

  public static ObjectNode ofCheckpoint(Checkpoint checkpoint) throws IOException {
    ObjectNode root = ofConfig(checkpoint.config());
    root.put("layout", checkpoint.layout().id());
    ArrayNode others = root.putArray("otherLayouts");
    checkpoint.otherLayouts().forEach(other -> others.add(other.id()));
    root.put("fingerprint", checkpoint.fingerprint());
    ArrayNode tensors = root.putArray("tensors");
    for (TensorKey key : checkpoint.config().tensors().keySet()) {
      SourceTensor tensor = checkpoint.tensor(key);
      ObjectNode node = tensors.addObject().put("key", key.id());
      ModelConfigJson.putKey(node, key);
      node.put("dtype", tensor.type().name());
      tensor.shape().dimensions().forEach(node.putArray("shape")::add);
      node.put("bytes", tensor.byteSize());
      node.put("file", String.valueOf(tensor.file().getFileName()));
    }
    ArrayNode sources = root.putArray("sources");
    for (Path source : checkpoint.sourceFiles()) {
      sources
          .addObject()
          .put("name", String.valueOf(source.getFileName()))
          .put("bytes", Files.size(source));
    }
    return root;
  }
}
