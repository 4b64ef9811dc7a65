package bora.verifier;

import java.util.Map;
import java.util.OptionalDouble;

/**
 * A limit on a metric, in the metric's own direction.
 *
 * @param bound the last good value
 * @param ifPresent whether a metric that the reference cannot give is no failure
 * @param minPositions scored positions below which the limit says nothing
 */
public record Limit(Bound bound, boolean ifPresent, int minPositions) {
  /** The last good value. */
  public sealed interface Bound {
    /** What it is among these measurements; empty when it refers to an absent metric. */
    OptionalDouble value(Map<Metric, Double> metrics);

    /** A number. */
    record Fixed(double value) implements Bound {
      @Override
      public OptionalDouble value(Map<Metric, Double> metrics) {
        return OptionalDouble.of(value);
      }
    }

    /** Whatever another metric was measured as. */
    record Measured(Metric metric) implements Bound {
      @Override
      public OptionalDouble value(Map<Metric, Double> metrics) {
        Double value = metrics.get(metric);
        return value == null ? OptionalDouble.empty() : OptionalDouble.of(value);
      }
    }
  }

  /** A number that the metric must be there for. */
  public static Limit of(double bound) {
    return new Limit(new Bound.Fixed(bound), false, 0);
  }

  /** The same limit for a metric that may be absent. */
  public Limit whenPresent() {
    return new Limit(bound, true, minPositions);
  }

  /** The same limit for references of at least so many scored positions. */
  public Limit from(int positions) {
    return new Limit(bound, ifPresent, positions);
  }
}
