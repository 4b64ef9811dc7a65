package bora.converter.oci;

import bora.formats.CorruptFileException;
import bora.formats.Sha256;
import bora.formats.SmallFile;
import bora.formats.json.JsonFields;
import bora.formats.json.StrictJson;
import bora.formats.pack.ShardName;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;

/**
 * An OCI image layout that holds one model: a layer for every file, uncompressed, in the order of
 * their names. The blobs are further names of the files themselves where the file system has such
 * (hard links), else copies.
 */
public final class ModelPackLayout {
  private static final String INDEX = "index.json";
  private static final String VERSION_FILE = "oci-layout";
  private static final int FILE_MODE = 0644;
  private static final int REGULAR_FILE = '0';

  private final ModelDescriptor model;

  public ModelPackLayout(ModelDescriptor model) {
    this.model = model;
  }

  /**
   * Writes a layout.
   *
   * @param directory where the files are
   * @param sha256 of each file by its name
   * @param layout the directory to make
   * @return the manifest's digest
   */
  public String write(Path directory, SequencedMap<String, String> sha256, Path layout)
      throws IOException {
    Path blobs = Files.createDirectories(layout.resolve("blobs").resolve("sha256"));
    List<String> names = sha256.keySet().stream().sorted().toList();
    for (String name : names) {
      link(directory.resolve(name), blobs.resolve(sha256.get(name)));
    }
    byte[] config = StrictJson.toBytes(config(names, sha256));
    byte[] manifest = StrictJson.toBytes(manifest(directory, names, sha256, config));
    Files.write(blobs.resolve(Sha256.of(config)), config);
    Files.write(blobs.resolve(Sha256.of(manifest)), manifest);
    String digest = Descriptor.digestOf(Sha256.of(manifest));
    Files.write(layout.resolve(INDEX), StrictJson.toBytes(index(digest, manifest.length)));
    Files.write(
        layout.resolve(VERSION_FILE),
        "{\"imageLayoutVersion\":\"1.0.0\"}".getBytes(StandardCharsets.UTF_8));
    return digest;
  }

  /** Files of equal bytes are one blob. */
  private static void link(Path file, Path blob) throws IOException {
    if (Files.exists(blob)) {
      return;
    }
    try {
      Files.createLink(blob, file);
    } catch (UnsupportedOperationException | IOException e) {
      // Another file system, or one without links.
      Files.copy(file, blob);
    }
  }

  private ObjectNode config(List<String> names, Map<String, String> sha256) {
    ObjectNode root = StrictJson.newObject();
    ObjectNode descriptor = root.putObject("descriptor");
    model.created().ifPresent(time -> descriptor.put("createdAt", time.toString()));
    descriptor.put("family", model.family()).put("name", model.name()).put("title", model.name());
    model.licence().ifPresent(licence -> descriptor.putArray("licenses").add(licence));
    ObjectNode config = root.putObject("config");
    config.put("architecture", "transformer").put("format", "bora");
    config.put("paramSize", parameterSize(model.parameters()));
    config.put("quantization", "bora");
    ObjectNode capabilities = config.putObject("capabilities");
    capabilities.putArray("inputTypes").add("text");
    capabilities.putArray("outputTypes").add("text");
    if (!model.languages().isEmpty()) {
      model.languages().forEach(capabilities.putArray("languages")::add);
    }
    ObjectNode files = root.putObject("modelfs").put("type", "layers");
    ArrayNode layers = files.putArray("diffIds");
    names.forEach(name -> layers.add(Descriptor.digestOf(sha256.get(name))));
    return root;
  }

  /** A count with one digit behind the point at most: {@code 46.7b}. */
  private static String parameterSize(long parameters) {
    if (parameters >= 1_000_000_000L) {
      return String.format(Locale.ROOT, "%.1fb", parameters / 1e9);
    }
    return parameters >= 1_000_000
        ? String.format(Locale.ROOT, "%.1fm", parameters / 1e6)
        : String.format(Locale.ROOT, "%.1fk", parameters / 1e3);
  }

  private ObjectNode manifest(
      Path directory, List<String> names, Map<String, String> sha256, byte[] config)
      throws IOException {
    ObjectNode root = StrictJson.newObject();
    root.put("schemaVersion", 2);
    root.put("mediaType", MediaTypes.MANIFEST);
    root.put("artifactType", MediaTypes.MODEL);
    root.putObject("config")
        .put("mediaType", MediaTypes.CONFIG)
        .put("digest", Descriptor.digestOf(Sha256.of(config)))
        .put("size", config.length);
    ArrayNode layers = root.putArray("layers");
    for (String name : names) {
      long bytes = Files.size(directory.resolve(name));
      ObjectNode layer = layers.addObject();
      layer.put(
          "mediaType", name.endsWith(ShardName.ENDING) ? MediaTypes.WEIGHTS : MediaTypes.DOCUMENT);
      layer.put("digest", Descriptor.digestOf(sha256.get(name))).put("size", bytes);
      layer
          .putObject("annotations")
          .put(MediaTypes.FILE_METADATA, fileMetadata(name, bytes))
          .put(MediaTypes.FILE_PATH, name)
          .put(MediaTypes.TITLE, name);
    }
    return root;
  }

  private String fileMetadata(String name, long bytes) {
    return StrictJson.newObject()
        .put("name", name)
        .put("mode", FILE_MODE)
        .put("uid", 0)
        .put("gid", 0)
        .put("size", bytes)
        .put("mtime", model.modified().toString())
        .put("typeflag", REGULAR_FILE)
        .toString();
  }

  private ObjectNode index(String digest, long bytes) {
    ObjectNode root = StrictJson.newObject();
    root.put("schemaVersion", 2).put("mediaType", MediaTypes.INDEX);
    root.putArray("manifests")
        .addObject()
        .put("mediaType", MediaTypes.MANIFEST)
        .put("artifactType", MediaTypes.MODEL)
        .put("digest", digest)
        .put("size", bytes)
        .putObject("annotations")
        .put(MediaTypes.REFERENCE_NAME, model.name());
    return root;
  }

  /** All files of a layout by their paths in it, sorted. */
  public static List<String> files(Path layout) throws IOException {
    try (Stream<Path> files = Files.walk(layout)) {
      return files
          .filter(Files::isRegularFile)
          .map(file -> layout.relativize(file).toString().replace('\\', '/'))
          .sorted()
          .toList();
    }
  }

  /**
   * The manifest of the one model of a layout.
   *
   * @throws CorruptFileException when it holds none, several, or a damaged one
   */
  static ModelManifest readManifest(Path layout) throws IOException {
    Path index = layout.resolve(INDEX);
    if (!Files.isRegularFile(index)) {
      throw new NoSuchFileException(
          index.toString(), null, "no OCI layout there; `bora release --oci` makes one");
    }
    JsonFields root = JsonFields.of(index, StrictJson.readObject(index, ModelManifest.MAX_BYTES));
    List<JsonFields> manifests = root.objects("manifests");
    if (manifests.size() != 1) {
      throw root.wrong("manifests", "one model", manifests.size());
    }
    Descriptor descriptor = Descriptor.read(manifests.getFirst());
    Path file = descriptor.in(layout);
    if (!Files.isRegularFile(file)) {
      throw new CorruptFileException(index, "its manifest is not there: " + descriptor.digest());
    }
    byte[] json = SmallFile.read(file, ModelManifest.MAX_BYTES);
    if (!Sha256.of(json).equals(descriptor.sha256())) {
      throw new CorruptFileException(file, "damaged: its bytes do not have the hash of its name");
    }
    return ModelManifest.read(file, json);
  }
}
