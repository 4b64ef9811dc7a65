package bora.verifier;

import bora.formats.CorruptFileException;
import bora.formats.json.JsonFields;
import bora.formats.json.StrictJson;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** Reads a gate from JSON; knows every key or refuses. */
record GateFile(Path file) {
  private static final int MAX_BYTES = 1 << 20;

  Gate read() throws IOException {
    JsonFields root = JsonFields.of(file, StrictJson.readObject(file, MAX_BYTES));
    String name = root.text("name");
    JsonFields limits = root.object("limits");
    root.refuseOthers();
    SequencedMap<Metric, Limit> byMetric = new LinkedHashMap<>();
    for (String id : limits.names()) {
      Metric metric = metric(id);
      byMetric.put(metric, limit(metric, limits.object(id)));
    }
    if (byMetric.isEmpty()) {
      throw root.wrong("limits", "at least one limit", "none");
    }
    return new Gate(name, byMetric);
  }

  private Limit limit(Metric metric, JsonFields fields) throws CorruptFileException {
    String direction = metric.direction().jsonName();
    boolean ifPresent = fields.has("ifPresent") && fields.flag("ifPresent");
    int minPositions = fields.has("minPositions") ? fields.smallInteger("minPositions") : 0;
    if (minPositions < 0) {
      throw fields.wrong("minPositions", "a number of at least 0", minPositions);
    }
    Limit.Bound bound =
        fields.has("sameAs")
            ? new Limit.Bound.Measured(metric(fields.text("sameAs")))
            : new Limit.Bound.Fixed(finite(fields, direction));
    fields.refuseOthers();
    return new Limit(bound, ifPresent, minPositions);
  }

  private static double finite(JsonFields fields, String key) throws CorruptFileException {
    double value = fields.number(key);
    if (!Double.isFinite(value)) {
      throw fields.wrong(key, "a finite number", value);
    }
    return value;
  }

  private Metric metric(String id) throws CorruptFileException {
    return Metric.ofId(id)
        .filter(Metric::isLimitedByGates)
        .orElseThrow(
            () ->
                new CorruptFileException(
                    file,
                    "unknown metric: expected one of "
                        + Arrays.stream(Metric.values())
                            .filter(Metric::isLimitedByGates)
                            .map(Metric::id)
                            .toList()
                        + ", found `"
                        + id
                        + "`"));
  }
}
