package bora.converter.calibration;

import bora.formats.CorruptFileException;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.FoldedModel;
import bora.quantizer.Profile;
import bora.quantizer.WeightSource;
import bora.quantizer.calibration.CalibrationSource;
import bora.quantizer.calibration.CalibrationWriter;
import bora.quantizer.calibration.ExpertCoverage;
import bora.quantizer.calibration.GroupSensitivity;
import bora.quantizer.calibration.MomentsSource;
import bora.runtime.ForwardObserver;
import bora.runtime.KernelChoice;
import bora.runtime.LayerPass;
import bora.runtime.RuntimeOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Runs a checkpoint, its channels folded, over windows of a text, layer by layer: all windows go
 * through a layer before its weights make room for the next one's. In memory at a time are the
 * hidden states of all windows (4 bytes a token and channel), one layer's weights, its second
 * moments (8 bytes a pair of columns), and the streams of {@link SensitivityRun}.
 */
public final class CalibrationRun {
  private final ModelConfig config;
  private final Function<TensorKey, WeightSource> own;
  private final FoldedModel model;
  private final List<int[]> windows;
  private final CoverageDemand demand;
  private final boolean inSequence;
  private final int threads;
  private final ProgressListener layers;
  private final float[][] hidden;
  private final List<ExpertCoverage> coverage = new ArrayList<>();

  private CalibrationRun(
      Checkpoint checkpoint,
      List<int[]> windows,
      CoverageDemand demand,
      boolean inSequence,
      int threads,
      ProgressListener layers) {
    this.config = checkpoint.config();
    own = key -> WeightSource.of(checkpoint.tensor(key));
    model = new FoldedModel(config, own, MomentsSource.NONE);
    this.windows = windows;
    this.demand = demand;
    this.inSequence = inSequence;
    this.threads = threads;
    this.layers = layers;
    hidden = new float[windows.size()][];
  }

  /**
   * Calibrates. Until the file is whole an older one under its name stays as it is.
   *
   * @param source what it is made from; says the number of windows
   * @param windows of tokens of the vocabulary, equally long
   * @param demand hears of every layer's experts as soon as they are counted; what it throws ends
   *     the calibration, and nothing is written
   * @param inSequence whether the calibration keeps the windows, to round matrices one after the
   *     other
   * @param layers hears of every layer that is done, and of the output and of the losses as two
   *     more
   * @return how much of the text each expert saw
   * @throws CorruptFileException when the checkpoint is damaged or computes no finite numbers
   */
  public static List<ExpertCoverage> run(
      Checkpoint checkpoint,
      CalibrationSource source,
      List<int[]> windows,
      CoverageDemand demand,
      boolean inSequence,
      Path out,
      int threads,
      ProgressListener layers)
      throws IOException {
    CalibrationRun run =
        new CalibrationRun(checkpoint, windows, demand, inSequence, threads, layers);
    try (CalibrationWriter writer = CalibrationWriter.create(out)) {
      run.run(source, writer);
    } catch (ArithmeticException e) {
      throw new CorruptFileException(
          checkpoint.path(), "the model computes no finite numbers: " + e.getMessage(), e);
    }
    return run.coverage;
  }

  private void run(CalibrationSource source, CalibrationWriter writer) throws IOException {
    RuntimeOptions options = new RuntimeOptions(threads, KernelChoice.PORTABLE);
    try (LayerPass pass = new LayerPass(config, source.windowTokens(), options);
        SensitivityRun sensitivity =
            new SensitivityRun(
                config, model, pass, windows.subList(0, source.sensitivityWindows()), threads)) {
      embed();
      for (int layer = 0; layer < config.layerCount(); layer++) {
        runLayer(layer, pass, writer, sensitivity);
        layers.advance(1);
      }
      finish(pass, writer, sensitivity);
      layers.advance(1);
      List<GroupSensitivity> groups = sensitivity.results();
      Map<TensorKey, Map<Encoding, Double>> losses = groups.isEmpty() ? Map.of() : losses(writer);
      layers.advance(1);
      writer.finish(source, inSequence ? windows : List.of(), coverage, groups, losses);
    }
  }

  private Map<TensorKey, Map<Encoding, Double>> losses(MomentsSource moments) throws IOException {
    FoldedModel known = new FoldedModel(config, own, moments);
    return EncodingLosses.measure(
        config, known, known::factor, Profile.BEST.encodings(), threads, ProgressListener.NONE);
  }

  private void embed() throws IOException {
    WeightSource embedding = model.weights(TensorKey.ofModel(TensorRole.EMBEDDING));
    int width = config.hiddenSize();
    for (int window = 0; window < hidden.length; window++) {
      int[] tokens = windows.get(window);
      hidden[window] = new float[Math.multiplyExact(tokens.length, width)];
      for (int i = 0; i < tokens.length; i++) {
        embedding.readRows(tokens[i], 1, hidden[window], i * width);
      }
    }
  }

  private void runLayer(
      int layer, LayerPass pass, CalibrationWriter writer, SensitivityRun sensitivity)
      throws IOException {
    float[][] before = sensitivity.copyOf(hidden);
    List<TensorKey> readers = MomentSums.readers(config, layer);
    MomentSums sums = new MomentSums(config, readers, pass.gramProduct());
    List<TensorKey> keys =
        config.tensors().keySet().stream().filter(key -> key.layer() == layer).toList();
    try (NativeTensors tensors = NativeTensors.exact(keys, model::weights, threads)) {
      for (int window = 0; window < hidden.length; window++) {
        int tokens = windows.get(window).length;
        pass.run(layer, tensors::tensor, tokens, hidden[window], 0, ForwardObserver.NONE, sums);
      }
    }
    for (TensorKey reader : readers) {
      writer.add(reader, sums.moments(reader).orElseThrow());
    }
    List<ExpertCoverage> experts = sums.coverage(config, layer);
    demand.check(experts);
    coverage.addAll(experts);
    sensitivity.runLayer(layer, before, sums);
  }

  private void finish(LayerPass pass, CalibrationWriter writer, SensitivityRun sensitivity)
      throws IOException {
    TensorKey head = LayerPass.headKey(config);
    MomentSums sums = new MomentSums(config, List.of(head), pass.gramProduct());
    List<TensorKey> keys = List.of(TensorKey.ofModel(TensorRole.OUTPUT_NORM), head);
    try (NativeTensors tensors = NativeTensors.exact(keys, model::weights, threads)) {
      for (int window = 0; window < hidden.length; window++) {
        int tokens = windows.get(window).length;
        pass.finish(tensors::tensor, 0, tokens, hidden[window], 0, sums);
      }
      writer.add(head, sums.moments(head).orElseThrow());
      sensitivity.finish(hidden, tensors, sums);
    }
  }
}
