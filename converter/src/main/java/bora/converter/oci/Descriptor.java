package bora.converter.oci;

import bora.formats.CorruptFileException;
import bora.formats.json.JsonFields;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What a manifest says of a blob.
 *
 * @param digest {@code sha256:} and 64 hexadecimal digits
 * @param filePath where its file belongs, for layers of models
 */
record Descriptor(String mediaType, String digest, long bytes, Optional<String> filePath) {
  private static final String ALGORITHM = "sha256:";

  static Descriptor read(JsonFields fields) throws CorruptFileException {
    String digest = fields.text("digest");
    if (!digest.matches(ALGORITHM + "[0-9a-f]{64}")) {
      throw fields.wrong("digest", ALGORITHM + " and 64 hexadecimal digits", digest);
    }
    long bytes = fields.integer("size");
    if (bytes < 0) {
      throw fields.wrong("size", "a length", bytes);
    }
    Optional<String> path = Optional.empty();
    if (fields.has("annotations")) {
      JsonFields annotations = fields.object("annotations");
      for (String key : new String[] {MediaTypes.TITLE, MediaTypes.FILE_PATH}) {
        if (annotations.has(key)) {
          path = Optional.of(annotations.text(key));
        }
      }
    }
    return new Descriptor(fields.text("mediaType"), digest, bytes, path);
  }

  static String digestOf(String sha256) {
    return ALGORITHM + sha256;
  }

  String sha256() {
    return digest.substring(ALGORITHM.length());
  }

  /** Where a layout keeps the blob. */
  Path in(Path layout) {
    return layout.resolve("blobs").resolve("sha256").resolve(sha256());
  }
}
