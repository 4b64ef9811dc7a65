package bora.quantizer.calibration;

import bora.formats.model.TensorKey;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * What rounding a group of tensors did to the output of the model.
 *
 * @param name for people
 * @param divergence mean Kullback-Leibler divergence of the predictions, in nats
 * @param losses the feedback loss that each tensor of the group had then
 */
public record GroupSensitivity(
    String name, double divergence, SequencedMap<TensorKey, Double> losses) {
  public GroupSensitivity {
    losses = java.util.Collections.unmodifiableSequencedMap(new LinkedHashMap<>(losses));
  }
}
