package bora.converter.calibration;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.FeedbackFactor;
import bora.quantizer.FoldedModel;
import bora.quantizer.calibration.GroupSensitivity;
import bora.quantizer.calibration.MomentsSource;
import bora.runtime.ForwardObserver;
import bora.runtime.LayerPass;
import bora.runtime.LinearInputObserver;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/**
 * Measures what rounding a group of tensors does to the predictions: the group is encoded coarsely,
 * the rest of the model runs on from there, and the predictions' divergence from the float model's
 * is taken. Groups are a projection of a layer with all its experts, one expert, the embedding, the
 * lm_head. No gradient sees what this sees: most of the harm is done by tokens sent to other
 * experts further on.
 *
 * <p>All groups go through the layers together, each with hidden states of its own: {@code groups *
 * windows * tokens * hidden * 4} bytes.
 */
final class SensitivityRun implements AutoCloseable {
  /** Coarse enough that routing flips show. */
  private static final Encoding ENCODING = Encoding.T3;

  private final ModelConfig config;
  private final FoldedModel model;
  private final LayerPass pass;
  private final List<int[]> windows;
  private final int threads;
  private final List<Stream> streams = new ArrayList<>();
  private final List<GroupSensitivity> results = new ArrayList<>();

  /** The hidden states that follow from a group's rounding. */
  private record Stream(String name, SequencedMap<TensorKey, Double> losses, float[][] hidden) {}

  /**
   * @param windows none to measure nothing
   */
  SensitivityRun(
      ModelConfig config, FoldedModel model, LayerPass pass, List<int[]> windows, int threads)
      throws IOException {
    this.config = config;
    this.model = model;
    this.pass = pass;
    this.windows = windows;
    this.threads = threads;
    if (!windows.isEmpty()) {
      startEmbedding();
    }
  }

  /** The hidden states of the windows that sensitivities are measured on. */
  float[][] copyOf(float[][] hidden) {
    float[][] copy = new float[windows.size()][];
    for (int window = 0; window < copy.length; window++) {
      copy[window] = hidden[window].clone();
    }
    return copy;
  }

  private void startEmbedding() throws IOException {
    TensorKey key = TensorKey.ofModel(TensorRole.EMBEDDING);
    FeedbackFactor factor = model.factor(key);
    int width = config.hiddenSize();
    try (NativeTensors rounded = round(List.of(key), reader -> factor)) {
      float[][] hidden = new float[windows.size()][];
      for (int window = 0; window < hidden.length; window++) {
        int[] tokens = windows.get(window);
        hidden[window] = new float[tokens.length * width];
        for (int i = 0; i < tokens.length; i++) {
          rounded.tensor(key).decodeRow(tokens[i], hidden[window], i * width);
        }
      }
      streams.add(new Stream("embedding", losses(rounded, List.of(key)), hidden));
    }
  }

  private NativeTensors round(
      Collection<TensorKey> keys, Function<TensorKey, FeedbackFactor> factorOfReader)
      throws IOException {
    Map<TensorKey, FeedbackFactor> factors = new ConcurrentHashMap<>();
    return NativeTensors.encode(
        keys,
        model::weights,
        key -> ENCODING,
        key -> factors.computeIfAbsent(MomentsSource.readerOf(key), factorOfReader),
        model::outputFeedback,
        threads);
  }

  private static SequencedMap<TensorKey, Double> losses(
      NativeTensors rounded, Collection<TensorKey> keys) {
    SequencedMap<TensorKey, Double> losses = new LinkedHashMap<>();
    keys.forEach(key -> losses.put(key, rounded.loss(key)));
    return losses;
  }

  /**
   * Takes all streams through a layer, and starts those of the layer's own groups.
   *
   * @param before the float model's hidden states before the layer
   */
  void runLayer(int layer, float[][] before, MomentSums moments) throws IOException {
    if (windows.isEmpty()) {
      return;
    }
    List<TensorKey> keys =
        config.tensors().keySet().stream().filter(key -> key.layer() == layer).toList();
    List<TensorKey> rounding = keys.stream().filter(key -> !key.role().isExact()).toList();
    try (NativeTensors exact = NativeTensors.exact(keys, model::weights, threads);
        NativeTensors rounded = round(rounding, reader -> factor(reader, moments))) {
      for (Stream stream : streams) {
        run(layer, exact::tensor, stream.hidden());
      }
      for (Map.Entry<String, List<TensorKey>> group : groups(layer, rounding).entrySet()) {
        Set<TensorKey> members = new LinkedHashSet<>(group.getValue());
        float[][] hidden = copyOf(before);
        run(layer, key -> members.contains(key) ? rounded.tensor(key) : exact.tensor(key), hidden);
        streams.add(new Stream(group.getKey(), losses(rounded, members), hidden));
      }
    }
  }

  private static FeedbackFactor factor(TensorKey reader, MomentSums moments) {
    return FeedbackFactor.of(moments.moments(reader).orElseThrow());
  }

  /** The groups of a layer: each role, then each expert where there are several. */
  private SequencedMap<String, List<TensorKey>> groups(int layer, List<TensorKey> keys) {
    SequencedMap<String, List<TensorKey>> groups = new LinkedHashMap<>();
    for (TensorKey key : keys) {
      String role = "layer " + layer + " " + key.role().id();
      groups.computeIfAbsent(role, name -> new ArrayList<>()).add(key);
    }
    for (TensorKey key : keys) {
      if (config.expertCount() > 1 && key.expert() >= 0) {
        String expert = "layer " + layer + " expert " + key.expert();
        groups.computeIfAbsent(expert, name -> new ArrayList<>()).add(key);
      }
    }
    return groups;
  }

  private void run(int layer, Function<TensorKey, EncodedTensor> tensors, float[][] hidden) {
    for (int window = 0; window < hidden.length; window++) {
      pass.run(
          layer,
          tensors,
          windows.get(window).length,
          hidden[window],
          0,
          ForwardObserver.NONE,
          LinearInputObserver.NONE);
    }
  }

  /**
   * Takes all divergences.
   *
   * @param hidden the float model's output of the last layer
   * @param exact output norm and lm_head
   */
  void finish(float[][] hidden, NativeTensors exact, MomentSums moments) throws IOException {
    if (windows.isEmpty()) {
      return;
    }
    TensorKey head = LayerPass.headKey(config);
    FeedbackFactor factor = factor(head, moments);
    double[] sums = new double[streams.size() + 1];
    try (NativeTensors rounded = round(List.of(head), reader -> factor)) {
      PredictionDivergence divergence =
          new PredictionDivergence(pass, config.vocabSize(), windows.getFirst().length, threads);
      for (int window = 0; window < windows.size(); window++) {
        divergence.setReference(exact::tensor, hidden[window]);
        for (int i = 0; i < streams.size(); i++) {
          sums[i] += divergence.of(exact::tensor, streams.get(i).hidden()[window]);
        }
        sums[streams.size()] +=
            divergence.of(
                key -> key.equals(head) ? rounded.tensor(key) : exact.tensor(key), hidden[window]);
      }
      streams.add(new Stream("lm_head", losses(rounded, List.of(head)), new float[0][]));
    }
    for (int i = 0; i < sums.length; i++) {
      Stream stream = streams.get(i);
      double mean = Math.max(0, sums[i] / windows.size());
      results.add(new GroupSensitivity(stream.name(), mean, stream.losses()));
    }
  }

  /** In the order of the layers: embedding, groups, lm_head; empty without windows. */
  List<GroupSensitivity> results() {
    return results;
  }

  @Override
  public void close() {
    streams.clear();
  }
}
