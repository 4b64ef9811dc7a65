package bora.converter.calibration;

import bora.formats.CorruptFileException;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.FoldedModel;
import bora.quantizer.WeightSource;
import bora.quantizer.calibration.Calibration;
import bora.runtime.KernelChoice;
import bora.runtime.LayerPass;
import bora.runtime.LayerSteps;
import bora.runtime.RuntimeOptions;
import java.io.IOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * Rounds a calibrated model in the order in which it computes. The calibration's windows go through
 * the float model and through what has been rounded so far, side by side; each matrix is rounded
 * for the inputs that it will really read, and corrected for how these differ from the float
 * model's. Its bytes so depend on those of all matrices before it.
 *
 * <p>In memory at a time: the hidden states of all windows twice and what o reads twice; a layer's
 * weights, exact and rounded; the sums of its experts.
 */
public final class SequentialRounding implements AutoCloseable {
  private static final float[] NO_ERRORS = {};

  private final ModelConfig config;
  private final Map<TensorKey, Encoding> encodings;
  private final FoldedModel model;
  private final int threads;
  private final RoundedTensors store;
  private final LayerSteps steps;
  private final List<int[]> windows;
  private final int tokens;
  private final int width;
  private final float[] sumWeights;

  /** The residual stream of each window: of the float model, and of the rounded one. */
  private final float[][] exactStream;

  private final float[][] roundedStream;

  private SequentialRounding(
      Checkpoint checkpoint,
      Map<TensorKey, Encoding> encodings,
      Calibration calibration,
      int threads,
      RoundedTensors store) {
    this.config = checkpoint.config();
    this.encodings = encodings;
    this.threads = threads;
    this.store = store;
    model = new FoldedModel(config, key -> WeightSource.of(checkpoint.tensor(key)), calibration);
    windows = calibration.windows();
    tokens = calibration.source().windowTokens();
    width = config.hiddenSize();
    steps = new LayerSteps(config, tokens, new RuntimeOptions(threads, KernelChoice.PORTABLE));
    sumWeights = new float[tokens];
    Arrays.fill(sumWeights, 1);
    sumWeights[0] = MomentSums.FIRST_TOKEN_FACTOR;
    exactStream = new float[windows.size()][tokens * width];
    roundedStream = new float[windows.size()][tokens * width];
  }

  /**
   * Rounds a model until nothing that is missing is left. Tensors that are not missing are taken
   * from the store where it has them, else rounded too, for those after them depend on them.
   *
   * @param encodings of all tensors
   * @param calibration of this checkpoint, with windows
   * @param missing tensors that are wanted and that the store cannot load
   * @throws CorruptFileException when the model computes no finite numbers
   */
  public static void run(
      Checkpoint checkpoint,
      Map<TensorKey, Encoding> encodings,
      Calibration calibration,
      Set<TensorKey> missing,
      int threads,
      RoundedTensors store)
      throws IOException {
    try (SequentialRounding rounding =
        new SequentialRounding(checkpoint, encodings, calibration, threads, store)) {
      rounding.run(missing);
    } catch (ArithmeticException e) {
      throw new CorruptFileException(
          checkpoint.path(), "the model computes no finite numbers: " + e.getMessage());
    }
  }

  /**
   * When a tensor is rounded: the number of its layer, -1 before the first, the number of layers
   * behind the last. What is rounded at one time depends on all that is rounded before.
   */
  public static int order(ModelConfig config, TensorKey key) {
    if (key.role() == TensorRole.EMBEDDING) {
      return -1;
    }
    return key.layer() < 0 ? config.layerCount() : key.layer();
  }

  private void run(Set<TensorKey> missing) throws IOException {
    int last = missing.stream().mapToInt(key -> order(config, key)).max().orElse(Integer.MIN_VALUE);
    if (last >= -1) {
      roundEmbedding();
    }
    for (int layer = 0; layer <= Math.min(last, config.layerCount() - 1); layer++) {
      roundLayer(layer);
    }
    if (last == config.layerCount()) {
      roundOutput();
    }
  }

  private RoundingLayer layer(int index, Collection<TensorKey> keys) throws IOException {
    return new RoundingLayer(index, model, keys, encodings, store, threads);
  }

  private void roundEmbedding() throws IOException {
    TensorKey key = TensorKey.ofModel(TensorRole.EMBEDDING);
    try (RoundingLayer embedding = layer(-1, List.of())) {
      embedding.round(embedding.load(List.of(key)));
      WeightSource source = embedding.weights(key);
      for (int window = 0; window < windows.size(); window++) {
        for (int i = 0; i < tokens; i++) {
          int token = windows.get(window)[i];
          source.readRows(token, 1, exactStream[window], i * width);
          embedding.rounded(key).decodeRow(token, roundedStream[window], i * width);
        }
      }
    }
  }

  private void roundLayer(int index) throws IOException {
    List<TensorKey> keys =
        config.tensors().keySet().stream().filter(key -> key.layer() == index).toList();
    try (RoundingLayer layer = layer(index, keys)) {
      layer.round(layer.load(keys.stream().filter(key -> key.role().isExact()).toList()));
      roundAttention(layer);
      roundFeedForward(layer);
    }
  }

  private MismatchSums sums(TensorKey reader, int outputs) {
    return new MismatchSums(config, reader, outputs, steps.gramProduct());
  }

  private void normalize(EncodedTensor norm, int window, float[] exact, float[] rounded) {
    steps.normalize(norm, exactStream[window], tokens, exact);
    steps.normalize(norm, roundedStream[window], tokens, rounded);
  }

  private float[] errors(int window) {
    float[] errors = exactStream[window].clone();
    for (int i = 0; i < errors.length; i++) {
      errors[i] -= roundedStream[window][i];
    }
    return errors;
  }

  private void roundAttention(RoundingLayer layer) throws IOException {
    EncodedTensor norm = layer.exact(layer.key(TensorRole.ATTENTION_NORM));
    TensorKey query = layer.key(TensorRole.QUERY);
    TensorKey key = layer.key(TensorRole.KEY);
    TensorKey value = layer.key(TensorRole.VALUE);
    TensorKey output = layer.key(TensorRole.ATTENTION_OUTPUT);
    float[] exact = new float[tokens * width];
    float[] rounded = new float[tokens * width];
    List<TensorKey> reading = layer.load(List.of(query, key, value));
    if (!reading.isEmpty()) {
      MismatchSums inputs = sums(query, 0);
      for (int window = 0; window < windows.size(); window++) {
        normalize(norm, window, exact, rounded);
        inputs.add(tokens, rounded, exact, NO_ERRORS, sumWeights);
      }
      layer.round(Map.of(reading, inputs));
    }
    float[][] exactAttended = new float[windows.size()][tokens * config.queryWidth()];
    float[][] roundedAttended = new float[windows.size()][tokens * config.queryWidth()];
    for (int window = 0; window < windows.size(); window++) {
      normalize(norm, window, exact, rounded);
      attend(layer, layer::exact, exact, exactAttended[window]);
      attend(layer, layer::rounded, rounded, roundedAttended[window]);
    }
    if (!layer.load(List.of(output)).isEmpty()) {
      MismatchSums attended = sums(output, width);
      for (int window = 0; window < windows.size(); window++) {
        attended.add(
            tokens,
            roundedAttended[window],
            exactAttended[window].clone(),
            errors(window),
            sumWeights);
      }
      layer.round(Map.of(List.of(output), attended));
    }
    for (int window = 0; window < windows.size(); window++) {
      addProduct(layer.exact(output), exactAttended[window], exactStream[window]);
      addProduct(layer.rounded(output), roundedAttended[window], roundedStream[window]);
    }
  }

  private void attend(
      RoundingLayer layer, Function<TensorKey, EncodedTensor> tensors, float[] x, float[] y) {
    steps.attend(
        tensors.apply(layer.key(TensorRole.QUERY)),
        tensors.apply(layer.key(TensorRole.KEY)),
        tensors.apply(layer.key(TensorRole.VALUE)),
        x,
        tokens,
        y);
  }

  private void addProduct(EncodedTensor matrix, float[] x, float[] stream) {
    float[] product = new float[stream.length];
    steps.multiply(matrix, x, tokens, product);
    steps.addScaled(1, product, 0, stream, 0, stream.length);
  }

  private void roundFeedForward(RoundingLayer layer) throws IOException {
    EncodedTensor norm = layer.exact(layer.key(TensorRole.FEED_FORWARD_NORM));
    float[] exact = new float[tokens * width];
    float[] rounded = new float[tokens * width];
    ExpertRouting[] routings = new ExpertRouting[windows.size()];
    for (int window = 0; window < windows.size(); window++) {
      steps.normalize(norm, roundedStream[window], tokens, rounded);
      routings[window] = route(layer, rounded);
    }
    roundGates(layer, norm, routings);
    roundDowns(layer, norm, routings);
    for (int window = 0; window < windows.size(); window++) {
      normalize(norm, window, exact, rounded);
      addExperts(layer, layer::exact, route(layer, exact), exact, exactStream[window]);
      addExperts(layer, layer::rounded, routings[window], rounded, roundedStream[window]);
    }
  }

  private ExpertRouting route(RoundingLayer layer, float[] normalized) {
    int[] experts = new int[tokens * config.expertsPerToken()];
    float[] weights = new float[experts.length];
    if (config.hasRouter()) {
      EncodedTensor router = layer.exact(layer.key(TensorRole.ROUTER));
      steps.route(router, normalized, tokens, experts, weights);
    } else {
      Arrays.fill(weights, 1);
    }
    return ExpertRouting.of(config.expertCount(), config.expertsPerToken(), experts, weights);
  }

  /** Rounds w1 and w3 of all experts. */
  private void roundGates(RoundingLayer layer, EncodedTensor norm, ExpertRouting[] routings)
      throws IOException {
    MismatchSums[] sums = new MismatchSums[config.expertCount()];
    Map<List<TensorKey>, MismatchSums> sumsOfReaders = new LinkedHashMap<>();
    for (int expert = 0; expert < sums.length; expert++) {
      TensorKey gate = layer.key(expert, TensorRole.EXPERT_GATE);
      List<TensorKey> missing = layer.load(List.of(gate, layer.key(expert, TensorRole.EXPERT_UP)));
      if (!missing.isEmpty()) {
        sums[expert] = sums(gate, 0);
        sumsOfReaders.put(missing, sums[expert]);
      }
    }
    if (sumsOfReaders.isEmpty()) {
      return;
    }
    float[] exact = new float[tokens * width];
    float[] rounded = new float[tokens * width];
    for (int window = 0; window < windows.size(); window++) {
      ExpertRouting routing = routings[window];
      normalize(norm, window, exact, rounded);
      for (int expert = 0; expert < sums.length; expert++) {
        if (sums[expert] != null) {
          sums[expert].add(
              routing.rows()[expert].length,
              routing.gather(expert, rounded, width),
              routing.gather(expert, exact, width),
              NO_ERRORS,
              routing.sumWeights(expert));
        }
      }
    }
    layer.round(sumsOfReaders);
  }

  /** Rounds w2 of all experts. */
  private void roundDowns(RoundingLayer layer, EncodedTensor norm, ExpertRouting[] routings)
      throws IOException {
    MismatchSums[] sums = new MismatchSums[config.expertCount()];
    Map<List<TensorKey>, MismatchSums> sumsOfReaders = new LinkedHashMap<>();
    for (int expert = 0; expert < sums.length; expert++) {
      TensorKey down = layer.key(expert, TensorRole.EXPERT_DOWN);
      if (!layer.load(List.of(down)).isEmpty()) {
        sums[expert] = sums(down, width);
        sumsOfReaders.put(List.of(down), sums[expert]);
      }
    }
    if (sumsOfReaders.isEmpty()) {
      return;
    }
    float[] exact = new float[tokens * width];
    float[] rounded = new float[tokens * width];
    for (int window = 0; window < windows.size(); window++) {
      ExpertRouting routing = routings[window];
      normalize(norm, window, exact, rounded);
      float[] errors = errors(window);
      for (int expert = 0; expert < sums.length; expert++) {
        if (sums[expert] != null) {
          sums[expert].add(
              routing.rows()[expert].length,
              gate(layer, expert, layer::rounded, routing.gather(expert, rounded, width)),
              gate(layer, expert, layer::exact, routing.gather(expert, exact, width)),
              routing.gather(expert, errors, width),
              routing.sumWeights(expert));
        }
      }
    }
    layer.round(sumsOfReaders);
  }

  private float[] gate(
      RoundingLayer layer, int expert, Function<TensorKey, EncodedTensor> tensors, float[] x) {
    int rows = x.length / width;
    float[] gated = new float[rows * config.intermediateSize()];
    if (rows > 0) {
      EncodedTensor w1 = tensors.apply(layer.key(expert, TensorRole.EXPERT_GATE));
      EncodedTensor w3 = tensors.apply(layer.key(expert, TensorRole.EXPERT_UP));
      steps.gate(w1, w3, x, rows, gated);
    }
    return gated;
  }

  private void addExperts(
      RoundingLayer layer,
      Function<TensorKey, EncodedTensor> tensors,
      ExpertRouting routing,
      float[] normalized,
      float[] stream) {
    for (int expert = 0; expert < config.expertCount(); expert++) {
      int[] rows = routing.rows()[expert];
      if (rows.length > 0) {
        float[] gated = gate(layer, expert, tensors, routing.gather(expert, normalized, width));
        float[] product = new float[rows.length * width];
        EncodedTensor down = tensors.apply(layer.key(expert, TensorRole.EXPERT_DOWN));
        steps.multiply(down, gated, rows.length, product);
        float[] weights = routing.weights()[expert];
        for (int i = 0; i < rows.length; i++) {
          steps.addScaled(weights[i], product, i * width, stream, rows[i] * width, width);
        }
      }
    }
  }

  /** Rounds what stands behind the layers. */
  private void roundOutput() throws IOException {
    TensorKey norm = TensorKey.ofModel(TensorRole.OUTPUT_NORM);
    TensorKey head = LayerPass.headKey(config);
    try (RoundingLayer output = layer(-1, List.of(norm))) {
      output.round(output.load(List.of(norm)));
      if (config.tiedEmbeddings() || output.load(List.of(head)).isEmpty()) {
        return;
      }
      float[] exact = new float[tokens * width];
      float[] rounded = new float[tokens * width];
      MismatchSums inputs = sums(head, 0);
      for (int window = 0; window < windows.size(); window++) {
        normalize(output.exact(norm), window, exact, rounded);
        inputs.add(tokens, rounded, exact, NO_ERRORS, sumWeights);
      }
      output.round(Map.of(List.of(head), inputs));
    }
  }

  @Override
  public void close() {
    steps.close();
  }
}
