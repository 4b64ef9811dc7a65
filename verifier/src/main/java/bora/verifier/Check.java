package bora.verifier;

import java.util.OptionalDouble;

/**
 * A metric held against its limit.
 *
 * @param measured empty when the reference cannot give the metric
 * @param limit the last good value; empty when it refers to a metric that is absent
 * @param where what is at fault, as far as it is known; else empty text
 */
public record Check(
    Metric metric, OptionalDouble measured, OptionalDouble limit, Verdict verdict, String where) {}
