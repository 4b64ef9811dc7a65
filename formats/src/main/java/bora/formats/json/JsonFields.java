package bora.formats.json;

import bora.formats.CorruptFileException;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;

/**
 * The fields of one JSON object, read with a check of their types. Messages name the file and the
 * path of the field. Remembers which fields were asked for, so that the others can be refused.
 */
public final class JsonFields {
  private final Path file;
  private final Place place;
  private final JsonNode node;
  private final Set<String> known = new HashSet<>();

  /**
   * Where an object is; only messages say it, so it is not put together before.
   *
   * @param parent the object with the field, or null for the root
   * @param index in the field's list, or negative
   */
  private record Place(Place parent, String key, int index) {
    String path() {
      if (parent == null) {
        return "";
      }
      String path = parent.pathOf(key);
      return index < 0 ? path : path + "[" + index + "]";
    }

    String pathOf(String key) {
      String path = path();
      return path.isEmpty() ? key : path + "." + key;
    }
  }

  private JsonFields(Path file, Place place, JsonNode node) {
    this.file = file;
    this.place = place;
    this.node = node;
  }

  /**
   * @param root an object
   */
  public static JsonFields of(Path file, JsonNode root) {
    return new JsonFields(file, new Place(null, "", -1), root);
  }

  /** Whether the field is there and not null. */
  public boolean has(String key) {
    known.add(key);
    return !node.path(key).isMissingNode() && !node.path(key).isNull();
  }

  /** Whether the field is there and a string. */
  public boolean isText(String key) {
    known.add(key);
    return node.path(key).isTextual();
  }

  /** Whether the field, which has to be there, is null. */
  public boolean isNull(String key) throws CorruptFileException {
    return value(key).isNull();
  }

  public String text(String key) throws CorruptFileException {
    JsonNode value = value(key);
    if (!value.isTextual()) {
      throw wrong(key, "a string", value);
    }
    return value.textValue();
  }

  public long integer(String key) throws CorruptFileException {
    JsonNode value = value(key);
    if (!value.isIntegralNumber() || !value.canConvertToLong()) {
      throw wrong(key, "an integer", value);
    }
    return value.longValue();
  }

  public int smallInteger(String key) throws CorruptFileException {
    long value = integer(key);
    if (value != (int) value) {
      throw wrong(key, "an integer below 2^31", node.path(key));
    }
    return (int) value;
  }

  public double number(String key) throws CorruptFileException {
    JsonNode value = value(key);
    if (!value.isNumber()) {
      throw wrong(key, "a number", value);
    }
    return value.doubleValue();
  }

  public boolean flag(String key) throws CorruptFileException {
    JsonNode value = value(key);
    if (!value.isBoolean()) {
      throw wrong(key, "true or false", value);
    }
    return value.booleanValue();
  }

  public List<Integer> smallIntegers(String key) throws CorruptFileException {
    List<Integer> integers = new ArrayList<>();
    for (JsonNode element : array(key)) {
      if (!element.isIntegralNumber() || !element.canConvertToInt()) {
        throw wrong(key, "a list of integers", value(key));
      }
      integers.add(element.intValue());
    }
    return integers;
  }

  public List<String> texts(String key) throws CorruptFileException {
    List<String> texts = new ArrayList<>();
    for (JsonNode element : array(key)) {
      if (!element.isTextual()) {
        throw wrong(key, "a list of strings", value(key));
      }
      texts.add(element.textValue());
    }
    return texts;
  }

  public JsonFields object(String key) throws CorruptFileException {
    JsonNode value = value(key);
    if (!value.isObject()) {
      throw wrong(key, "an object", value);
    }
    return new JsonFields(file, new Place(place, key, -1), value);
  }

  public List<JsonFields> objects(String key) throws CorruptFileException {
    List<JsonFields> objects = new ArrayList<>();
    for (JsonNode element : array(key)) {
      if (!element.isObject()) {
        throw wrong(key, "a list of objects", element);
      }
      objects.add(new JsonFields(file, new Place(place, key, objects.size()), element));
    }
    return objects;
  }

  /** The names of all fields, in the file's order. */
  public List<String> names() {
    List<String> names = new ArrayList<>();
    for (Iterator<String> i = node.fieldNames(); i.hasNext(); ) {
      names.add(i.next());
    }
    return List.copyOf(names);
  }

  /**
   * @throws CorruptFileException when there is a field that was never asked for
   */
  public void refuseOthers() throws CorruptFileException {
    for (Iterator<String> names = node.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      if (!known.contains(name)) {
        throw new CorruptFileException(file, pathOf(name) + ": unknown field");
      }
    }
  }

  /** A complaint about a field's value, to be thrown by the caller. */
  public CorruptFileException wrong(String key, String expected, Object found) {
    return new CorruptFileException(
        file, pathOf(key) + ": expected " + expected + ", found " + found);
  }

  private JsonNode array(String key) throws CorruptFileException {
    JsonNode value = value(key);
    if (!value.isArray()) {
      throw wrong(key, "a list", value);
    }
    return value;
  }

  private JsonNode value(String key) throws CorruptFileException {
    known.add(key);
    JsonNode value = node.path(key);
    if (value.isMissingNode()) {
      throw new CorruptFileException(file, pathOf(key) + ": missing");
    }
    return value;
  }

  private String pathOf(String key) {
    return place.pathOf(key);
  }
}
