package bora.verifier;

import bora.formats.pack.PackReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SequencedMap;

/**
 * Named limits on metrics. One that is not kept fails a verification.
 *
 * @param name goes into the report
 * @param limits in the order in which they are checked
 */
public record Gate(String name, SequencedMap<Metric, Limit> limits) {
  public Gate {
    limits = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(limits));
  }

  /**
   * Reads a gate file; {@code docs/verification.md} has the format.
   *
   * @throws bora.formats.CorruptFileException when it is malformed or limits an unknown metric
   */
  public static Gate read(Path file) throws IOException {
    return new GateFile(file).read();
  }

  /** The limits that any honest pack of these encodings keeps, whatever its model. */
  public static Gate defaultFor(PackReader pack) {
    return DefaultGates.of(pack.config(), key -> pack.tensor(key).encoding());
  }

  /**
   * The limits of a candidate that computes with the reference's very weights: rounding of float32
   * and nothing else.
   */
  public static Gate exact() {
    return DefaultGates.exact();
  }

  /** The number that a metric is limited by; empty without a limit or when it is no number. */
  OptionalDouble bound(Metric metric) {
    return limits.containsKey(metric)
        ? limits.get(metric).bound().value(Map.of())
        : OptionalDouble.empty();
  }

  /** Whether a value keeps the metric's limit; always, where there is none. NaN never does. */
  boolean allows(Metric metric, double value) {
    OptionalDouble bound = bound(metric);
    return bound.isEmpty() || keeps(metric, value, bound.getAsDouble());
  }

  /** Whether a value is on the good side of a bound. NaN never is. */
  static boolean keeps(Metric metric, double value, double bound) {
    return switch (metric.direction()) {
      case AT_MOST -> value <= bound;
      case AT_LEAST -> value >= bound;
    };
  }
}
