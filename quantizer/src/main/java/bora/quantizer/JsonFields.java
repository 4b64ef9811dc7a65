package bora.quantizer;

import bora.formats.CorruptFileException;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The fields of one JSON object of a file, read strictly: what is missing, unknown or of another
 * type is an error that says where it stands.
 *
 * @param where the place in the file, as messages name it; empty for the outermost object
 */
record JsonFields(Path file, String where, JsonNode node) {
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /**
   * Reads a file that holds one object.
   *
   * @throws CorruptFileException when it is larger than {@code maxBytes} or no JSON object
   */
  static JsonFields read(Path file, long maxBytes) throws IOException {
    long size = Files.size(file);
    if (size > maxBytes) {
      throw new CorruptFileException(
          file, "too large: expected at most " + maxBytes + " bytes, found " + size);
    }
    return parse(file, Files.readAllBytes(file));
  }

  static JsonFields parse(Path file, byte[] json) throws IOException {
    try {
      return of(file, "", MAPPER.readTree(json));
    } catch (JsonProcessingException e) {
      String place =
          e.getLocation() == null ? "" : " at line " + Math.max(1, e.getLocation().getLineNr());
      throw new CorruptFileException(
          file, "not JSON: expected one object, found" + place + ": " + e.getOriginalMessage(), e);
    }
  }

  private static JsonFields of(Path file, String where, JsonNode node) throws CorruptFileException {
    JsonFields fields = new JsonFields(file, where, node);
    if (!node.isObject()) {
      throw fields.wrong(null, "an object", node);
    }
    return fields;
  }

  /** Refuses every key but these. */
  JsonFields allowOnly(String... keys) throws CorruptFileException {
    Set<String> known = Set.of(keys);
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      if (!known.contains(field.getKey())) {
        throw problem("unknown key: expected one of " + List.of(keys) + ", found " + field.getKey());
      }
    }
    return this;
  }

  boolean has(String key) {
    return node.has(key);
  }

  String string(String key) throws CorruptFileException {
    JsonNode value = present(key);
    if (!value.isTextual() || value.textValue().isBlank()) {
      throw wrong(key, "a string", value);
    }
    return value.textValue();
  }

  Optional<String> optionalString(String key) throws CorruptFileException {
    return has(key) ? Optional.of(string(key)) : Optional.empty();
  }

  /** An integer of the range {@code least} to {@code most}. */
  long integer(String key, long least, long most) throws CorruptFileException {
    JsonNode value = present(key);
    if (!value.isIntegralNumber()
        || !value.canConvertToLong()
        || value.longValue() < least
        || value.longValue() > most) {
      throw wrong(key, "an integer from " + least + " to " + most, value);
    }
    return value.longValue();
  }

  /** A finite number of at least {@code least}. */
  double number(String key, double least) throws CorruptFileException {
    JsonNode value = present(key);
    if (!value.isNumber()
        || !Double.isFinite(value.doubleValue())
        || value.doubleValue() < least) {
      throw wrong(key, "a number of at least " + least, value);
    }
    return value.doubleValue();
  }

  List<String> strings(String key) throws CorruptFileException {
    List<String> strings = new ArrayList<>();
    for (JsonNode element : array(key)) {
      if (!element.isTextual()) {
        throw wrong(key, "an array of strings", element);
      }
      strings.add(element.textValue());
    }
    return strings;
  }

  /**
   * The objects of an array.
   *
   * @param name what messages call one of them, before its number
   */
  List<JsonFields> objects(String key, String name) throws CorruptFileException {
    List<JsonFields> objects = new ArrayList<>();
    for (JsonNode element : array(key)) {
      objects.add(of(file, name + " " + (objects.size() + 1), element));
    }
    return objects;
  }

  JsonFields object(String key) throws CorruptFileException {
    return of(file, key, present(key));
  }

  /** Refuses a value other than the one that follows from the rest. */
  void require(String key, JsonNode expected) throws CorruptFileException {
    JsonNode found = node.path(key);
    if (!found.toString().equals(expected.toString())) {
      throw wrong(key, expected.toString(), found);
    }
  }

  private JsonNode array(String key) throws CorruptFileException {
    JsonNode value = present(key);
    if (!value.isArray()) {
      throw wrong(key, "an array", value);
    }
    return value;
  }

  private JsonNode present(String key) throws CorruptFileException {
    JsonNode value = node.get(key);
    if (value == null) {
      throw problem("missing key: expected " + key + ", found " + names());
    }
    return value;
  }

  private List<String> names() {
    return node.properties().stream().map(Map.Entry::getKey).toList();
  }

  private CorruptFileException wrong(String key, String expected, JsonNode found) {
    String text = found.isMissingNode() ? "nothing" : found.toString();
    return problem((key == null ? "" : key + ": ") + "expected " + expected + ", found " + text);
  }

  /** An error at this place. */
  CorruptFileException problem(String problem) {
    return new CorruptFileException(file, where.isEmpty() ? problem : where + ": " + problem);
  }
}
