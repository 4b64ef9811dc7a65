package bora.formats.json;

import bora.formats.CorruptFileException;
import bora.formats.SmallFile;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * JSON as bora reads and writes it. Reading: UTF-8, no duplicate keys, nothing after the document,
 * shallow nesting. Writing: keys in the order in which they were put, a line feed at the end.
 */
public final class StrictJson {
  private static final int MAX_NESTING = 64;

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder().maxNestingDepth(MAX_NESTING).build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  private StrictJson() {}

  /**
   * Makes ready for parsing, which takes some milliseconds the first time in a process: time for
   * who has another thread, and something else to do before.
   */
  public static void prepare() {
    try {
      parseObject(Path.of(""), new byte[] {'{', '}'});
    } catch (IOException e) {
      throw new IllegalStateException("an empty object can always be parsed", e);
    }
  }

  /** An empty object to write. */
  public static ObjectNode newObject() {
    return JsonNodeFactory.instance.objectNode();
  }

  /**
   * Parses a document whose root is an object.
   *
   * @param file where the bytes are from, for messages
   * @throws CorruptFileException when it is none
   */
  public static JsonNode parseObject(Path file, byte[] json) throws IOException {
    try (JsonParser parser = FACTORY.createParser(decode(file, json))) {
      JsonNode root = parser.nextToken() == null ? null : JsonTree.read(parser);
      if (parser.nextToken() != null) {
        throw new CorruptFileException(
            file,
            "no valid JSON: expected nothing after the document, found more"
                + place(parser.currentTokenLocation()));
      }
      if (root == null || !root.isObject()) {
        throw new CorruptFileException(file, "expected a JSON object");
      }
      return root;
    } catch (JsonProcessingException e) {
      throw new CorruptFileException(file, "no valid JSON: " + reason(e), e);
    }
  }

  /** The parser itself would also take UTF-16, UTF-32 and a byte order mark. */
  private static String decode(Path file, byte[] json) throws CorruptFileException {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(json)).toString();
    } catch (CharacterCodingException e) {
      throw new CorruptFileException(file, "no valid JSON: expected UTF-8, found other bytes", e);
    }
  }

  /**
   * Reads and parses a file whose root is an object.
   *
   * @param maxBytes the largest file accepted
   */
  public static JsonNode readObject(Path file, int maxBytes) throws IOException {
    return parseObject(file, SmallFile.read(file, maxBytes));
  }

  /** The document without white space, but a line feed at its end. */
  public static byte[] toBytes(JsonNode node) {
    return write(Writers.COMPACT, node);
  }

  /** The document indented for people. */
  public static byte[] toIndentedBytes(JsonNode node) {
    return write(Writers.INDENTED, node);
  }

  private static byte[] write(JsonMapper mapper, JsonNode node) {
    try {
      return (mapper.writeValueAsString(node) + "\n").getBytes(StandardCharsets.UTF_8);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree of JSON can always be written", e);
    }
  }

  /** The parser's complaint with its place, without the excerpt of the source. */
  private static String reason(JsonProcessingException e) {
    return e.getLocation() == null
        ? e.getOriginalMessage()
        : e.getOriginalMessage() + place(e.getLocation());
  }

  private static String place(JsonLocation location) {
    return " (line " + location.getLineNr() + ", column " + location.getColumnNr() + ")";
  }

  /** Apart, for they take long to make and who only reads does not need them. */
  private static final class Writers {
    static final JsonMapper COMPACT = JsonMapper.builder(FACTORY).build();
    static final JsonMapper INDENTED =
        COMPACT.rebuild().enable(SerializationFeature.INDENT_OUTPUT).build();
  }
}
