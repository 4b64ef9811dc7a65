package bora.formats.pack;

import bora.formats.CorruptFileException;
import bora.formats.UnsupportedVersionException;
import bora.formats.encoding.Encoding;
import bora.formats.json.JsonFields;
import bora.formats.json.ModelConfigJson;
import bora.formats.json.StrictJson;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The manifest as {@code docs/format.md} gives it, and those of its objects that other documents
 * about packs have as they are.
 */
public final class ManifestJson {
  private final Path file;
  private final boolean refuseUnknown;

  private ManifestJson(Path file, boolean refuseUnknown) {
    this.file = file;
    this.refuseUnknown = refuseUnknown;
  }

  static byte[] write(PackManifest manifest) {
    ObjectNode root = StrictJson.newObject();
    root.putObject("format").put("major", manifest.major()).put("minor", manifest.minor());
    Provenance provenance = manifest.provenance();
    root.putObject("tool").put("name", "bora").put("version", provenance.toolVersion());
    root.set("config", ModelConfigJson.write(manifest.config()));
    ArrayNode tensors = root.putArray("tensors");
    manifest.entries().values().forEach(entry -> putEntry(tensors.addObject(), entry));
    putAttachments(root, manifest);
    writeProvenance(root.putObject("provenance"), provenance);
    return StrictJson.toBytes(root);
  }

  /** Adds the fields of a tensor's entry. */
  public static void putEntry(ObjectNode node, PackEntry entry) {
    ModelConfigJson.putKey(node, entry.key());
    node.put("encoding", entry.encoding().jsonName());
    entry.shape().dimensions().forEach(node.putArray("shape")::add);
    putRange(node, entry.range(), entry.checksum());
  }

  /** Adds the field {@code attachments}. */
  public static void putAttachments(ObjectNode node, PackManifest manifest) {
    ArrayNode attachments = node.putArray("attachments");
    for (PackAttachment attachment : manifest.attachments().values()) {
      putRange(
          attachments.addObject().put("name", attachment.name()),
          attachment.range(),
          attachment.checksum());
    }
  }

  /** Adds the field {@code sources}. */
  public static void putSources(ObjectNode node, Provenance provenance) {
    ArrayNode sources = node.putArray("sources");
    for (Provenance.Source source : provenance.sources()) {
      sources
          .addObject()
          .put("name", source.name())
          .put("bytes", source.bytes())
          .put("sha256", source.sha256());
    }
  }

  private static void putRange(ObjectNode node, ByteRange range, Checksum checksum) {
    node.put("offset", range.offsetBytes());
    node.put("bytes", range.lengthBytes());
    node.put("crc32c", checksum.crc32c());
    node.put("sha256", checksum.sha256());
  }

  private static void writeProvenance(ObjectNode node, Provenance provenance) {
    putSources(node, provenance);
    node.put("checkpoint", provenance.checkpoint());
    node.putObject("plan")
        .put("name", provenance.planName())
        .put("sha256", provenance.planSha256());
    node.put("calibration", provenance.calibrationSha256().orElse(null));
  }

  /**
   * @param headerMinor the minor version that the header says
   */
  static PackManifest read(Path file, byte[] json, int headerMinor) throws IOException {
    ManifestJson reader = new ManifestJson(file, headerMinor <= PackFormat.MINOR);
    return reader.readRoot(JsonFields.of(file, StrictJson.parseObject(file, json)), headerMinor);
  }

  private PackManifest readRoot(JsonFields root, int headerMinor) throws IOException {
    JsonFields format = root.object("format");
    int major = format.smallInteger("major");
    int minor = format.smallInteger("minor");
    finish(format);
    if (major != PackFormat.MAJOR || minor != headerMinor) {
      throw root.wrong("format", PackFormat.MAJOR + "." + headerMinor, major + "." + minor);
    }
    JsonFields tool = root.object("tool");
    tool.text("name");
    String version = tool.text("version");
    finish(tool);
    JsonFields config = root.object("config");
    ModelConfig model = ModelConfigJson.read(config);
    finish(config);
    SequencedMap<TensorKey, PackEntry> entries = readTensors(root);
    SortedMap<String, PackAttachment> attachments = readAttachments(root);
    Provenance provenance = readProvenance(root.object("provenance"), version);
    finish(root);
    return new PackManifest(major, minor, model, entries, attachments, provenance);
  }

  private SequencedMap<TensorKey, PackEntry> readTensors(JsonFields root) throws IOException {
    SequencedMap<TensorKey, PackEntry> entries = new LinkedHashMap<>();
    for (JsonFields tensor : root.objects("tensors")) {
      TensorKey key = ModelConfigJson.readKey(tensor);
      PackEntry entry =
          new PackEntry(key, encoding(tensor, key), shape(tensor), range(tensor), checksum(tensor));
      finish(tensor);
      if (entries.put(key, entry) != null) {
        throw new CorruptFileException(file, key + ": stands in the manifest twice");
      }
    }
    return entries;
  }

  private Encoding encoding(JsonFields tensor, TensorKey key) throws IOException {
    String name = tensor.text("encoding");
    Optional<Encoding> encoding = Encoding.ofName(name);
    if (encoding.isEmpty()) {
      throw new UnsupportedVersionException(
          file,
          UnsupportedVersionException.Reason.TOO_NEW,
          key + ": encoding \"" + name + "\" is unknown to this bora; the pack needs a newer one");
    }
    return encoding.get();
  }

  private static TensorShape shape(JsonFields tensor) throws CorruptFileException {
    List<Integer> dimensions = tensor.smallIntegers("shape");
    boolean valid = !dimensions.isEmpty() && Collections.min(dimensions) > 0;
    if (valid && dimensions.size() == 1) {
      return TensorShape.vector(dimensions.get(0));
    }
    if (valid && dimensions.size() == 2) {
      return TensorShape.matrix(dimensions.get(0), dimensions.get(1));
    }
    throw tensor.wrong("shape", "one or two positive sizes", dimensions);
  }

  private static ByteRange range(JsonFields fields) throws CorruptFileException {
    long offset = fields.integer("offset");
    long bytes = fields.integer("bytes");
    if (offset < 0 || bytes < 0 || offset > Long.MAX_VALUE - bytes) {
      throw fields.wrong("offset", "a range of the file", offset + " + " + bytes);
    }
    return new ByteRange(offset, bytes);
  }

  private static Checksum checksum(JsonFields fields) throws CorruptFileException {
    try {
      return new Checksum(fields.text("crc32c"), fields.text("sha256"));
    } catch (IllegalArgumentException e) {
      throw fields.wrong("crc32c", "check sums", e.getMessage());
    }
  }

  private SortedMap<String, PackAttachment> readAttachments(JsonFields root) throws IOException {
    SortedMap<String, PackAttachment> attachments = new TreeMap<>();
    for (JsonFields fields : root.objects("attachments")) {
      String name = fields.text("name");
      if (!isPlainName(name)) {
        throw fields.wrong("name", "a file name without a path", name);
      }
      PackAttachment attachment = new PackAttachment(name, range(fields), checksum(fields));
      finish(fields);
      if (!attachments.isEmpty() && name.compareTo(attachments.lastKey()) <= 0) {
        throw fields.wrong("name", "each attachment once, sorted by name", name);
      }
      attachments.put(name, attachment);
    }
    return attachments;
  }

  /** Whoever extracts an attachment under its name must stay in the directory of his choice. */
  private static boolean isPlainName(String name) {
    for (int i = 0; i < name.length(); i++) {
      char c = name.charAt(i);
      if (c == '/' || c == '\\' || c < ' ') {
        return false;
      }
    }
    return !name.isEmpty() && !name.startsWith(".");
  }

  private Provenance readProvenance(JsonFields fields, String version) throws IOException {
    List<Provenance.Source> sources = new ArrayList<>();
    for (JsonFields source : fields.objects("sources")) {
      sources.add(
          new Provenance.Source(
              source.text("name"), source.integer("bytes"), source.text("sha256")));
      finish(source);
    }
    String checkpoint = fields.text("checkpoint");
    JsonFields plan = fields.object("plan");
    String planName = plan.text("name");
    String planSha256 = plan.text("sha256");
    finish(plan);
    Optional<String> calibration =
        fields.isNull("calibration") ? Optional.empty() : Optional.of(fields.text("calibration"));
    finish(fields);
    return new Provenance(version, sources, checkpoint, planName, planSha256, calibration);
  }

  private void finish(JsonFields fields) throws CorruptFileException {
    if (refuseUnknown) {
      fields.refuseOthers();
    }
  }
}
