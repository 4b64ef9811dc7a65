package bora.converter.release;

import bora.formats.SmallFile;
import bora.formats.json.JsonFields;
import bora.formats.json.StrictJson;
import bora.formats.pack.ShardName;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SequencedMap;

/**
 * A verification's report as {@code bora verify --report R.json} wrote it.
 *
 * @param json the file's bytes
 * @param weightsSha256 which weights were verified
 * @param reference what they were held against, for people
 */
public record GateReport(
    Path file,
    byte[] json,
    boolean passed,
    String gate,
    SequencedMap<String, Double> metrics,
    String weightsSha256,
    String reference,
    long scoredPositions) {
  private static final String ENDING = ".report.json";
  private static final int MAX_BYTES = 256 << 20;

  /** Where a pack's report lies when nothing else is said: {@code X.report.json} beside X.bora. */
  public static Path beside(Path pack) {
    return pack.resolveSibling(ShardName.stemOf(pack) + ENDING);
  }

  static GateReport read(Path file) throws IOException {
    byte[] json = SmallFile.read(file, MAX_BYTES);
    JsonNode root = StrictJson.parseObject(file, json);
    JsonFields fields = JsonFields.of(file, root);
    SequencedMap<String, Double> metrics = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> metric : root.path("metrics").properties()) {
      if (metric.getValue().isNumber()) {
        metrics.put(metric.getKey(), metric.getValue().doubleValue());
      }
    }
    return new GateReport(
        file,
        json,
        fields.text("verdict").equals("pass"),
        fields.text("gate"),
        metrics,
        fields.object("candidate").text("weightsSha256"),
        reference(root.path("reference")),
        fields.has("scoredPositions") ? fields.integer("scoredPositions") : 0);
  }

  private static String reference(JsonNode texts) {
    return Optional.ofNullable(texts.get("file")).map(JsonNode::asText).orElse("a reference");
  }

  OptionalDouble metric(String id) {
    Double value = metrics.get(id);
    return value == null ? OptionalDouble.empty() : OptionalDouble.of(value);
  }
}
