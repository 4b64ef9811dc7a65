package bora.converter.oci;

import bora.formats.CorruptFileException;
import bora.formats.json.JsonFields;
import bora.formats.json.StrictJson;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The manifest of a model, read: its config and one layer a file. */
record ModelManifest(byte[] json, Descriptor config, List<Descriptor> layers) {
  /** Manifests are small. */
  static final int MAX_BYTES = 4 << 20;

  /**
   * @param origin where it is from, for messages
   */
  static ModelManifest read(Path origin, byte[] json) throws IOException {
    JsonFields root = JsonFields.of(origin, StrictJson.parseObject(origin, json));
    String mediaType = root.has("mediaType") ? root.text("mediaType") : MediaTypes.MANIFEST;
    if (!mediaType.equals(MediaTypes.MANIFEST)) {
      throw root.wrong("mediaType", MediaTypes.MANIFEST, mediaType);
    }
    if (!root.has("artifactType") || !root.text("artifactType").equals(MediaTypes.MODEL)) {
      throw new CorruptFileException(
          origin,
          "not a model of the ModelPack specification: expected the artifactType "
              + MediaTypes.MODEL
              + ", found "
              + (root.has("artifactType") ? root.text("artifactType") : "none"));
    }
    List<Descriptor> layers = new ArrayList<>();
    for (JsonFields layer : root.objects("layers")) {
      layers.add(Descriptor.read(layer));
    }
    return new ModelManifest(json, Descriptor.read(root.object("config")), layers);
  }
}
