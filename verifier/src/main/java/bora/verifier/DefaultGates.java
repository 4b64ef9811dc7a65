package bora.verifier;

import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Function;

/**
 * The limits that hold where no gate file is given. They are about any model, so they are wide:
 * they find what is broken, not what is mediocre. {@code docs/verification.md} derives them.
 */
final class DefaultGates {
  /** Statistics of fewer positions than this are too coarse for a limit on a share. */
  private static final int MIN_POSITIONS = 100;

  private static final double WORST_BITS = 2;

  /** Limits at whole numbers of bits; between them {@link #interpolate} holds. */
  private record Step(double bits, double kldMean, double top1, double hiddenCosine) {}

  private static final Step[] STEPS = {
    new Step(WORST_BITS, 2.5, 0.02, 0.1),
    new Step(3, 0.8, 0.15, 0.4),
    new Step(4, 0.25, 0.4, 0.8),
    new Step(6, 0.04, 0.75, 0.95),
    new Step(8, 0.02, 0.9, 0.98),
  };

  private DefaultGates() {}

  static Gate of(ModelConfig config, Function<TensorKey, Encoding> encodings) {
    return isExact(config, encodings) ? exact() : quantized(effectiveBits(config, encodings));
  }

  /**
   * Whether the pack keeps every value of its checkpoint: matrices are f32, or bf16 where the norms
   * are too, which packs have as bf16 exactly when the checkpoint does.
   */
  private static boolean isExact(ModelConfig config, Function<TensorKey, Encoding> encodings) {
    boolean roundedSource =
        config.tensors().keySet().stream()
            .filter(key -> key.role().isExact())
            .allMatch(key -> encodings.apply(key) == Encoding.BF16);
    return config.tensors().keySet().stream()
        .map(encodings)
        .allMatch(
            encoding -> encoding == Encoding.F32 || (encoding == Encoding.BF16 && roundedSource));
  }

  /**
   * The bits of a uniform pack with the same quantization noise. A weight of b bits has a noise
   * power of {@code 4^-b}, and powers add: {@code -log4(mean over all weights of 4^-b)}. Scales and
   * padding are not counted, since they make no value finer.
   */
  static double effectiveBits(ModelConfig config, Function<TensorKey, Encoding> encodings) {
    double noise = 0;
    double weights = 0;
    for (Map.Entry<TensorKey, TensorShape> tensor : config.tensors().entrySet()) {
      double count = tensor.getValue().elementCount();
      noise += count * Math.pow(4, -encodings.apply(tensor.getKey()).codeBits());
      weights += count;
    }
    return -Math.log(noise / weights) / Math.log(4);
  }

  static Gate exact() {
    SequencedMap<Metric, Limit> limits = new LinkedHashMap<>();
    limits.put(Metric.LOGITS_MAX_ABS, Limit.of(2e-3).whenPresent());
    limits.put(Metric.LOGITS_NMSE, Limit.of(1e-9).whenPresent());
    limits.put(Metric.KLD_MEAN, Limit.of(1e-6).whenPresent());
    limits.put(Metric.NLL_MAX_ABS, Limit.of(1e-3).whenPresent());
    limits.put(Metric.HIDDEN_COSINE_MIN, Limit.of(1 - 1e-8).whenPresent());
    limits.put(Metric.ROUTER_FLIPS_BEYOND_MARGIN, Limit.of(0).whenPresent());
    limits.put(
        Metric.GREEDY_MATCHED, new Limit(new Limit.Bound.Measured(Metric.GREEDY_LENGTH), true, 0));
    limits.put(Metric.DECODE_MAX_ABS_VS_PREFILL, Limit.of(1e-4).whenPresent());
    return new Gate("default, exact", limits);
  }

  private static Gate quantized(double bits) {
    Step step = interpolate(bits);
    SequencedMap<Metric, Limit> limits = new LinkedHashMap<>();
    limits.put(Metric.KLD_MEAN, Limit.of(step.kldMean).whenPresent());
    limits.put(Metric.TOP1_AGREEMENT, Limit.of(step.top1).whenPresent().from(MIN_POSITIONS));
    limits.put(Metric.HIDDEN_COSINE_MIN, Limit.of(step.hiddenCosine).whenPresent());
    // A change of the logits with variance v diverges by v / 2: decode may differ from prefill by
    // no more than what a divergence at the limit amounts to.
    double logitDeviation = Math.sqrt(2 * step.kldMean);
    limits.put(Metric.DECODE_MAX_ABS_VS_PREFILL, Limit.of(logitDeviation).whenPresent());
    return new Gate(String.format(Locale.ROOT, "default, %.2f effective bits", bits), limits);
  }

  private static Step interpolate(double bits) {
    double clamped = Math.clamp(bits, WORST_BITS, STEPS[STEPS.length - 1].bits);
    int upper = 1;
    while (STEPS[upper].bits < clamped) {
      upper++;
    }
    Step low = STEPS[upper - 1];
    Step high = STEPS[upper];
    double share = (clamped - low.bits) / (high.bits - low.bits);
    return new Step(
        clamped,
        Math.exp(between(Math.log(low.kldMean), Math.log(high.kldMean), share)),
        between(low.top1, high.top1, share),
        between(low.hiddenCosine, high.hiddenCosine, share));
  }

  private static double between(double low, double high, double share) {
    return low + share * (high - low);
  }
}
