package bora.verifier;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/** Holds measurements against a gate. */
final class Checks {
  private Checks() {}

  static List<Check> of(
      Gate gate, Map<Metric, Double> metrics, int scoredPositions, Optional<Fault> fault) {
    List<Check> checks = new ArrayList<>();
    checks.add(check(Metric.OUTPUTS_NON_FINITE, Limit.of(0), metrics, fault));
    gate.limits()
        .forEach(
            (metric, limit) -> {
              boolean absent = !metrics.containsKey(metric) && limit.ifPresent();
              if (!absent && scoredPositions >= limit.minPositions()) {
                checks.add(check(metric, limit, metrics, fault));
              }
            });
    return checks;
  }

  private static Check check(
      Metric metric, Limit limit, Map<Metric, Double> metrics, Optional<Fault> fault) {
    OptionalDouble bound = limit.bound().value(metrics);
    Double measured = metrics.get(metric);
    if (measured == null) {
      return new Check(
          metric.id(),
          metric,
          OptionalDouble.empty(),
          bound,
          Verdict.FAIL,
          "the reference does not give this metric");
    }
    boolean kept = bound.isPresent() && Gate.keeps(metric, measured, bound.getAsDouble());
    boolean layered = metric != Metric.DECODE_MAX_ABS_VS_PREFILL;
    String where = kept || !layered ? "" : fault.map(Fault::toString).orElse("");
    return new Check(
        metric.id(), metric, OptionalDouble.of(measured), bound, Verdict.of(kept), where);
  }
}
