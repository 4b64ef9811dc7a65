package bora.verifier;

import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * A pack's weights held against the checkpoint's, without running anything.
 *
 * @param checkpoint which weights the pack's were compared with
 * @param tensors every tensor, in canonical order
 */
public record ConversionResult(String checkpoint, List<TensorError> tensors) {
  public ConversionResult {
    tensors = List.copyOf(tensors);
  }

  /** The tensors that are worst: most misrounded weights first, then the largest error. */
  public List<TensorError> worst(int count) {
    return tensors.stream()
        .sorted(
            Comparator.comparingLong(TensorError::misrounded)
                .thenComparingDouble(TensorError::shareOfPromise)
                .reversed())
        .limit(count)
        .toList();
  }

  Map<Metric, Double> metrics() {
    Map<Metric, Double> metrics = new EnumMap<>(Metric.class);
    long misrounded = tensors.stream().mapToLong(TensorError::misrounded).sum();
    metrics.put(Metric.CONVERSION_MISROUNDED, (double) misrounded);
    double largest = tensors.stream().mapToDouble(TensorError::shareOfPromise).max().orElse(0);
    metrics.put(Metric.CONVERSION_ERROR, largest);
    return metrics;
  }

  List<Check> checks() {
    Map<Metric, Double> metrics = metrics();
    return List.of(
        check(Metric.CONVERSION_MISROUNDED, metrics, 0),
        check(Metric.CONVERSION_ERROR, metrics, 1));
  }

  private Check check(Metric metric, Map<Metric, Double> metrics, double limit) {
    double measured = metrics.get(metric);
    boolean kept = Gate.keeps(metric, measured, limit);
    return new Check(
        metric.id(),
        metric,
        OptionalDouble.of(measured),
        OptionalDouble.of(limit),
        Verdict.of(kept),
        kept ? "" : worst(1).getFirst().describe());
  }
}
