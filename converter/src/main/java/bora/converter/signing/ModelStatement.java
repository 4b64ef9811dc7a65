package bora.converter.signing;

import bora.formats.CorruptFileException;
import bora.formats.Sha256;
import bora.formats.json.JsonFields;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * What a signature states: these files of a model have these hashes. An in-toto statement, version
 * 1, with the predicate {@code https://model_signing/signature/v1.0}.
 *
 * @param name the model's, for people
 * @param sha256 of each file by its path in the directory, with {@code /}
 * @param ignored paths in the directory that the signature does not cover
 */
record ModelStatement(String name, SequencedMap<String, String> sha256, List<String> ignored) {
  private static final String TYPE = "https://in-toto.io/Statement/v1";
  private static final String PREDICATE_TYPE = "https://model_signing/signature/v1.0";

  /** The order of the format: by the names along the path. */
  static final Comparator<String> BY_PATH =
      (a, b) -> {
        String[] left = a.split("/");
        String[] right = b.split("/");
        return java.util.Arrays.compare(left, right);
      };

  static ModelStatement of(String name, Map<String, String> sha256, List<String> ignored) {
    TreeMap<String, String> sorted = new TreeMap<>(BY_PATH);
    sorted.putAll(sha256);
    return new ModelStatement(name, sorted, List.copyOf(ignored));
  }

  byte[] write() {
    ObjectNode root = StrictJson.newObject();
    root.put("_type", TYPE);
    ObjectNode subject = root.putArray("subject").addObject().put("name", name);
    subject.putObject("digest").put("sha256", rootDigest(sha256.values()));
    root.put("predicateType", PREDICATE_TYPE);
    ObjectNode predicate = root.putObject("predicate");
    ObjectNode serialization = predicate.putObject("serialization");
    serialization.put("method", "files");
    serialization.put("hash_type", "sha256");
    serialization.put("allow_symlinks", false);
    ignored.forEach(serialization.putArray("ignore_paths")::add);
    ArrayNode resources = predicate.putArray("resources");
    sha256.forEach(
        (file, hash) ->
            resources.addObject().put("name", file).put("algorithm", "sha256").put("digest", hash));
    return StrictJson.toBytes(root);
  }

  /** SHA-256 over the files' hashes, in order. */
  private static String rootDigest(Iterable<String> hashes) {
    MessageDigest digest = Sha256.newDigest();
    hashes.forEach(hash -> digest.update(HexFormat.of().parseHex(hash)));
    return Sha256.hex(digest);
  }

  /**
   * @param file where the signature stands, for messages
   * @throws CorruptFileException when the payload is another statement
   */
  static ModelStatement read(Path file, byte[] payload) throws IOException {
    JsonFields root = JsonFields.of(file, StrictJson.parseObject(file, payload));
    require(root, "_type", TYPE);
    require(root, "predicateType", PREDICATE_TYPE);
    List<JsonFields> subjects = root.objects("subject");
    if (subjects.size() != 1) {
      throw root.wrong("subject", "one subject", subjects.size());
    }
    JsonFields predicate = root.object("predicate");
    JsonFields serialization = predicate.object("serialization");
    require(serialization, "method", "files");
    require(serialization, "hash_type", "sha256");
    List<String> ignored =
        serialization.has("ignore_paths") ? serialization.texts("ignore_paths") : List.of();
    SequencedMap<String, String> hashes = new java.util.LinkedHashMap<>();
    for (JsonFields resource : predicate.objects("resources")) {
      require(resource, "algorithm", "sha256");
      String hash = resource.text("digest");
      if (!hash.matches("[0-9a-f]{64}")) {
        throw resource.wrong("digest", "64 hexadecimal digits", hash);
      }
      if (hashes.put(resource.text("name"), hash) != null) {
        throw resource.wrong("name", "each file once", resource.text("name"));
      }
    }
    String expected = rootDigest(hashes.values());
    String found = subjects.get(0).object("digest").text("sha256");
    if (!found.equals(expected)) {
      throw subjects.get(0).wrong("digest", "the hash over the files, " + expected, found);
    }
    return new ModelStatement(subjects.get(0).text("name"), hashes, ignored);
  }

  private static void require(JsonFields fields, String key, String expected) throws IOException {
    String found = fields.text(key);
    if (!found.equals(expected)) {
      throw fields.wrong(key, expected, found);
    }
  }
}
