package bora.verifier;

import java.util.OptionalDouble;

/**
 * A metric held against its limit.
 *
 * @param name unique within a report: the metric's id, behind the name of the comparison where that
 *     is not the one with the reference ({@code kernels.logits.maxAbs})
 * @param measured empty when the reference cannot give the metric
 * @param limit the last good value; empty when it refers to a metric that is absent
 * @param where what is at fault, as far as it is known; else empty text
 */
public record Check(
    String name,
    Metric metric,
    OptionalDouble measured,
    OptionalDouble limit,
    Verdict verdict,
    String where) {
  /** The same check as part of another comparison than the one with the reference. */
  Check within(String comparison) {
    return new Check(comparison + "." + name, metric, measured, limit, verdict, where);
  }
}
