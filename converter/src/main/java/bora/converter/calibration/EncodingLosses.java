package bora.converter.calibration;

import bora.converter.Workers;
import bora.formats.ProgressListener;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.quantizer.FeedbackEncoder;
import bora.quantizer.FeedbackFactor;
import bora.quantizer.FoldedModel;
import bora.quantizer.LossEstimate;
import bora.quantizer.calibration.TensorsByReader;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.SequencedMap;
import java.util.concurrent.ConcurrentHashMap;

/** What encodings would lose on the tensors of a model. */
final class EncodingLosses {
  private EncodingLosses() {}

  /**
   * Measures the loss of every tensor that may be rounded in each encoding, from a sample of rows.
   *
   * @param tensors hears of tensors
   * @return in canonical order
   */
  static SequencedMap<TensorKey, Map<Encoding, Double>> measure(
      ModelConfig config,
      FoldedModel model,
      TensorLookup<FeedbackFactor> factors,
      List<Encoding> encodings,
      int threads,
      ProgressListener tensors)
      throws IOException {
    Map<TensorKey, Map<Encoding, Double>> measured = new ConcurrentHashMap<>();
    Queue<Workers.Task<FeedbackEncoder>> tasks = new ArrayDeque<>();
    for (List<TensorKey> sharing : TensorsByReader.of(config)) {
      tasks.add(
          encoder -> {
            FeedbackFactor factor = FeedbackFactor.identity(1);
            for (TensorKey key : sharing) {
              if (!key.role().isExact()) {
                factor = factor.columns() == 1 ? factors.of(key) : factor;
                measured.put(key, LossEstimate.of(model.weights(key), factor, encodings, encoder));
              }
              tensors.advance(1);
            }
          });
    }
    Workers.run(threads, FeedbackEncoder::new, tasks);
    SequencedMap<TensorKey, Map<Encoding, Double>> losses = new LinkedHashMap<>();
    for (TensorKey key : config.tensors().keySet()) {
      if (measured.containsKey(key)) {
        losses.put(key, measured.get(key));
      }
    }
    return losses;
  }
}
