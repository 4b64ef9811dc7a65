package bora.converter.calibration;

import bora.converter.Workers;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.FeedbackFactor;
import bora.quantizer.FoldedModel;
import bora.quantizer.MismatchCorrection;
import bora.quantizer.WeightSource;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Some tensors of a model as they are, and those of them that are rounded so far: a layer, or what
 * stands before and behind the layers. Owns their memory.
 */
final class RoundingLayer implements AutoCloseable {
  private final int index;
  private final FoldedModel model;
  private final Map<TensorKey, Encoding> encodings;
  private final RoundedTensors store;
  private final int threads;
  private final Optional<NativeTensors> exact;
  private final Map<TensorKey, EncodedTensor> rounded = new HashMap<>();
  private final List<NativeTensors> owned = new ArrayList<>();

  /** What is known of the input that some tensors share. */
  private record Input(FeedbackFactor factor, Optional<MismatchCorrection> correction) {}

  /**
   * @param index of the layer; -1 for tensors of the model
   * @param keys whose values are needed as they are
   */
  RoundingLayer(
      int index,
      FoldedModel model,
      Collection<TensorKey> keys,
      Map<TensorKey, Encoding> encodings,
      RoundedTensors store,
      int threads)
      throws IOException {
    this.index = index;
    this.model = model;
    this.encodings = encodings;
    this.store = store;
    this.threads = threads;
    exact =
        keys.isEmpty()
            ? Optional.empty()
            : Optional.of(NativeTensors.exact(keys, model::weights, threads));
  }

  TensorKey key(TensorRole role) {
    return TensorKey.ofLayer(index, role);
  }

  TensorKey key(int expert, TensorRole role) {
    return TensorKey.ofExpert(index, expert, role);
  }

  WeightSource weights(TensorKey key) throws IOException {
    return model.weights(key);
  }

  EncodedTensor exact(TensorKey key) {
    return exact.orElseThrow().tensor(key);
  }

  EncodedTensor rounded(TensorKey key) {
    return rounded.get(key);
  }

  /**
   * Takes tensors from where an earlier run left them.
   *
   * @return those that are not there
   */
  List<TensorKey> load(Collection<TensorKey> keys) throws IOException {
    NativeTensors loaded = new NativeTensors();
    owned.add(loaded);
    List<TensorKey> missing = new ArrayList<>();
    for (TensorKey key : keys) {
      if (!store.has(key)) {
        missing.add(key);
        continue;
      }
      EncodedTensor tensor = loaded.allocate(key, encodings.get(key), weights(key).shape());
      store.load(key, tensor.bytes());
      rounded.put(key, tensor);
    }
    return missing;
  }

  /** Rounds tensors of which nothing but the calibration's moments is known. */
  void round(List<TensorKey> keys) throws IOException {
    Map<TensorKey, Input> inputs = new LinkedHashMap<>();
    for (TensorKey key : keys) {
      FeedbackFactor factor = key.role().isExact() ? FeedbackFactor.identity(1) : model.factor(key);
      inputs.put(key, new Input(factor, Optional.empty()));
    }
    encode(inputs);
  }

  /** Rounds tensors by the sums of what they read, which are used up. */
  void round(Map<List<TensorKey>, MismatchSums> sumsOfReaders) throws IOException {
    Map<List<TensorKey>, Input> inputs = new ConcurrentHashMap<>();
    Queue<Workers.Task<Object>> tasks = new ArrayDeque<>();
    sumsOfReaders.forEach(
        (keys, sums) ->
            tasks.add(
                _ -> {
                  FeedbackFactor factor = FeedbackFactor.of(sums.moments());
                  inputs.put(keys, new Input(factor, sums.correction(factor)));
                }));
    Workers.run(threads, Object::new, tasks);
    Map<TensorKey, Input> inputOfKey = new LinkedHashMap<>();
    for (List<TensorKey> keys : sumsOfReaders.keySet()) {
      keys.forEach(key -> inputOfKey.put(key, inputs.get(keys)));
    }
    encode(inputOfKey);
  }

  private void encode(Map<TensorKey, Input> inputs) throws IOException {
    NativeTensors encoded =
        NativeTensors.encode(
            inputs.keySet(),
            key -> {
              Optional<MismatchCorrection> correction = inputs.get(key).correction();
              return correction.isPresent() && encodings.get(key).isQuantized()
                  ? correction.get().correct(weights(key))
                  : weights(key);
            },
            encodings::get,
            key -> inputs.get(key).factor(),
            model::outputFeedback,
            threads);
    owned.add(encoded);
    for (TensorKey key : inputs.keySet()) {
      rounded.put(key, encoded.tensor(key));
      store.accept(key, encoded.tensor(key));
    }
  }

  @Override
  public void close() {
    exact.ifPresent(NativeTensors::close);
    owned.forEach(NativeTensors::close);
  }
}
