package bora.verifier;

import bora.formats.CorruptFileException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/** Reads a gate from JSON; knows every key or refuses. */
record GateFile(Path file) {
  private static final ObjectMapper JSON =
      new ObjectMapper()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  Gate read() throws IOException {
    JsonNode root = parse(Files.readString(file));
    requireObject(root, "gate");
    requireKeys(root, "gate", List.of("name", "limits"));
    JsonNode name = root.path("name");
    if (!name.isTextual() || name.textValue().isBlank()) {
      throw corrupt("name", "a text", name);
    }
    JsonNode limits = root.path("limits");
    requireObject(limits, "limits");
    SequencedMap<Metric, Limit> byMetric = new LinkedHashMap<>();
    for (Iterator<Map.Entry<String, JsonNode>> each = limits.fields(); each.hasNext(); ) {
      Map.Entry<String, JsonNode> limit = each.next();
      Metric metric = metric(limit.getKey());
      byMetric.put(metric, limit(metric, limit.getValue()));
    }
    if (byMetric.isEmpty()) {
      throw corrupt("limits", "at least one", limits);
    }
    return new Gate(name.textValue(), byMetric);
  }

  private JsonNode parse(String text) throws CorruptFileException {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new CorruptFileException(file, "no JSON: " + e.getOriginalMessage(), e);
    }
  }

  private Limit limit(Metric metric, JsonNode limit) throws CorruptFileException {
    String direction = metric.direction().jsonName();
    requireObject(limit, metric.id());
    requireKeys(limit, metric.id(), List.of(direction, "ifPresent", "minPositions"));
    JsonNode ifPresent = limit.path("ifPresent");
    if (!ifPresent.isMissingNode() && !ifPresent.isBoolean()) {
      throw corrupt(metric.id() + ".ifPresent", "true or false", ifPresent);
    }
    JsonNode minPositions = limit.path("minPositions");
    if (!minPositions.isMissingNode()
        && !(minPositions.canConvertToInt() && minPositions.isInt() && minPositions.intValue() >= 0)) {
      throw corrupt(metric.id() + ".minPositions", "a whole number", minPositions);
    }
    return new Limit(
        bound(metric, limit.path(direction)), ifPresent.asBoolean(), minPositions.asInt());
  }

  private Limit.Bound bound(Metric metric, JsonNode bound) throws CorruptFileException {
    if (bound.isNumber() && Double.isFinite(bound.doubleValue())) {
      return new Limit.Bound.Fixed(bound.doubleValue());
    }
    if (bound.isTextual()) {
      return new Limit.Bound.Measured(metric(bound.textValue()));
    }
    throw corrupt(
        metric.id() + "." + metric.direction().jsonName(), "a number or a metric", bound);
  }

  private Metric metric(String id) throws CorruptFileException {
    return Metric.ofId(id)
        .orElseThrow(
            () ->
                new CorruptFileException(
                    file,
                    "unknown metric: expected one of "
                        + Arrays.stream(Metric.values()).map(Metric::id).toList()
                        + ", found `"
                        + id
                        + "`"));
  }

  private void requireObject(JsonNode node, String what) throws CorruptFileException {
    if (!node.isObject()) {
      throw corrupt(what, "an object", node);
    }
  }

  private void requireKeys(JsonNode object, String what, List<String> known)
      throws CorruptFileException {
    for (Iterator<String> keys = object.fieldNames(); keys.hasNext(); ) {
      String key = keys.next();
      if (!known.contains(key)) {
        throw new CorruptFileException(
            file, what + ": expected only keys of " + known + ", found `" + key + "`");
      }
    }
  }

  private CorruptFileException corrupt(String what, String expected, JsonNode found) {
    String text = found.isMissingNode() ? "nothing" : found.toString();
    return new CorruptFileException(file, what + ": expected " + expected + ", found " + text);
  }
}
