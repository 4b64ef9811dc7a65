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

  private final ResidualStream exact;
  private final ResidualStream rounded;

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
    exact = new ResidualStream(config, steps, windows.size(), tokens);
    rounded = new ResidualStream(config, steps, windows.size(), tokens);
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
          checkpoint.path(), "the model computes no finite numbers: " + e.getMessage(), e);
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
          source.readRows(token, 1, exact.of(window), i * width);
          embedding.rounded(key).decodeRow(token, rounded.of(window), i * width);
        }
      }
    }
  }

  private void roundLayer(int index) throws IOException {
    List<TensorKey> keys =
        config.tensors().keySet().stream().filter(key -> key.layer() == index).toList();
    try (RoundingLayer layer = layer(index, keys)) {
      layer.round(layer.load(keys.stream().filter(key -> key.role().isExact()).toList()));
      exact.enter(index, layer::exact);
      rounded.enter(index, layer::rounded);
      roundAttention(layer);
      roundFeedForward(layer);
    }
  }

  private MismatchSums sums(TensorKey reader, int outputs) {
    return new MismatchSums(config, reader, outputs, steps.gramProduct());
  }

  /** Of what a matrix reads that follows a norm. */
  private MismatchSums normalizedSums(EncodedTensor norm, TensorKey reader) {
    MismatchSums sums = sums(reader, 0);
    for (int window = 0; window < windows.size(); window++) {
      float[] read = rounded.normalized(norm, window);
      sums.add(tokens, read, exact.normalized(norm, window), NO_ERRORS, sumWeights);
    }
    return sums;
  }

  private float[] errors(int window) {
    float[] errors = exact.of(window).clone();
    for (int i = 0; i < errors.length; i++) {
      errors[i] -= rounded.of(window)[i];
    }
    return errors;
  }

  private void roundAttention(RoundingLayer layer) throws IOException {
    EncodedTensor norm = layer.exact(layer.key(TensorRole.ATTENTION_NORM));
    TensorKey query = layer.key(TensorRole.QUERY);
    TensorKey output = layer.key(TensorRole.ATTENTION_OUTPUT);
    List<TensorKey> reading =
        layer.load(List.of(query, layer.key(TensorRole.KEY), layer.key(TensorRole.VALUE)));
    if (!reading.isEmpty()) {
      layer.round(Map.of(reading, normalizedSums(norm, query)));
    }
    float[][] exactAttended = exact.attended();
    float[][] roundedAttended = rounded.attended();
    if (!layer.load(List.of(output)).isEmpty()) {
      MismatchSums sums = sums(output, width);
      for (int window = 0; window < windows.size(); window++) {
        float[] differences = exactAttended[window].clone();
        sums.add(tokens, roundedAttended[window], differences, errors(window), sumWeights);
      }
      layer.round(Map.of(List.of(output), sums));
    }
    exact.addAttention(exactAttended);
    rounded.addAttention(roundedAttended);
  }

  private void roundFeedForward(RoundingLayer layer) throws IOException {
    ExpertRouting[] routings = rounded.routings();
    roundExperts(layer, routings, List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP));
    roundExperts(layer, routings, List.of(TensorRole.EXPERT_DOWN));
    exact.addExperts(exact.routings());
    rounded.addExperts(routings);
  }

  /**
   * Rounds matrices of all experts that read the same.
   *
   * @param roles w1 and w3, or w2 when these are rounded
   */
  private void roundExperts(RoundingLayer layer, ExpertRouting[] routings, List<TensorRole> roles)
      throws IOException {
    boolean down = roles.contains(TensorRole.EXPERT_DOWN);
    MismatchSums[] sums = new MismatchSums[config.expertCount()];
    Map<List<TensorKey>, MismatchSums> sumsOfReaders = new LinkedHashMap<>();
    for (int expert = 0; expert < sums.length; expert++) {
      int owner = expert;
      List<TensorKey> missing =
          layer.load(roles.stream().map(role -> layer.key(owner, role)).toList());
      if (!missing.isEmpty()) {
        sums[expert] = sums(layer.key(expert, roles.getFirst()), down ? width : 0);
        sumsOfReaders.put(missing, sums[expert]);
      }
    }
    if (sumsOfReaders.isEmpty()) {
      return;
    }
    EncodedTensor norm = layer.exact(layer.key(TensorRole.FEED_FORWARD_NORM));
    for (int window = 0; window < windows.size(); window++) {
      ExpertRouting routing = routings[window];
      float[] errors = down ? errors(window) : NO_ERRORS;
      float[] exactWindow = exact.normalized(norm, window);
      float[] roundedWindow = rounded.normalized(norm, window);
      for (int expert = 0; expert < sums.length; expert++) {
        if (sums[expert] != null) {
          float[] x = routing.gather(expert, exactWindow, width);
          float[] y = routing.gather(expert, roundedWindow, width);
          sums[expert].add(
              routing.rows()[expert].length,
              down ? rounded.gated(expert, y) : y,
              down ? exact.gated(expert, x) : x,
              down ? routing.gather(expert, errors, width) : NO_ERRORS,
              routing.sumWeights(expert));
        }
      }
    }
    layer.round(sumsOfReaders);
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
      output.round(Map.of(List.of(head), normalizedSums(output.exact(norm), head)));
    }
  }

  @Override
  public void close() {
    steps.close();
  }
}
