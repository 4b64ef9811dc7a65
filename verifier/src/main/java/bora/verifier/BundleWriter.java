package bora.verifier;

import bora.formats.ProgressListener;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Writes what a model computes as a {@link ReferenceBundle}.
 *
 * @param topLogits how many of the largest logits of a position are kept
 * @param hiddenSamples at how many positions of a window the hidden states are kept, spread evenly,
 *     the last one among them; 0 for none
 */
public record BundleWriter(int topLogits, int hiddenSamples) {
  /** With these a window of 512 tokens of Mixtral 8x7B takes 6 MB. */
  public static final int DEFAULT_TOP_LOGITS = 64;

  public static final int DEFAULT_HIDDEN_SAMPLES = 8;

  /**
   * @throws IllegalArgumentException when no logits are to be kept
   */
  public BundleWriter {
    if (topLogits < 1 || hiddenSamples < 0) {
      throw new IllegalArgumentException(
          "bundle: expected at least 1 logit and no fewer than 0 samples, found "
              + topLogits
              + " and "
              + hiddenSamples);
    }
  }

  /**
   * Computes all windows, a batch at a time, and writes the bundle whole or not at all.
   *
   * @param metadata more to say: {@code corpusSha256}, {@code versions}
   * @param progress hears of every tensor used for every batch
   */
  public void write(
      ReferenceSource source,
      List<int[]> windows,
      Map<String, String> metadata,
      Path file,
      ProgressListener progress)
      throws IOException {
    SafetensorsWriter bundle = new SafetensorsWriter();
    metadata.forEach(bundle::describe);
    bundle.describe("format", ReferenceBundle.FORMAT);
    bundle.describe("version", ReferenceBundle.VERSION);
    bundle.describe("producer", source.description());
    bundle.describe(
        "protocol", windows.size() + " windows of " + windows.getFirst().length + ", T/2 to T-2");
    int[] index = {0};
    int batch = ComputedReference.DEFAULT_WINDOWS_PER_BATCH;
    for (int first = 0; first < windows.size(); first += batch) {
      source.outputs(
          windows.subList(first, Math.min(first + batch, windows.size())),
          EnumSet.allOf(LayerOutput.class),
          progress,
          outputs -> add(bundle, index[0]++ + ".", outputs));
    }
    bundle.write(file);
  }

  private void add(SafetensorsWriter bundle, String of, SequenceOutputs outputs) {
    int[] tokens = outputs.tokens();
    PositionRange scored = WindowsProtocol.scored(tokens.length);
    int[] positions = IntStream.range(scored.first(), scored.end()).toArray();
    bundle.ints(of + "input_ids", tokens, tokens.length);
    bundle.ints(of + "positions", positions, positions.length);
    addLogits(bundle, of, outputs, positions);
    if (hiddenSamples > 0) {
      int[] sampled = spread(tokens.length);
      bundle.ints(of + "hidden.positions", sampled, sampled.length);
      for (int layer = 0; layer < outputs.hidden().size(); layer++) {
        PositionValues kept = BundledSequence.gather(outputs.hidden().get(layer), sampled);
        bundle.floats(of + "hidden." + layer, kept.values(), kept.positions(), kept.width());
      }
    }
    for (int layer = 0; layer < outputs.routerLogits().size(); layer++) {
      PositionValues router = outputs.routerLogits().get(layer);
      bundle.floats(of + "router." + layer, router.values(), router.positions(), router.width());
    }
  }

  private void addLogits(
      SafetensorsWriter bundle, String of, SequenceOutputs outputs, int[] positions) {
    int top = Math.min(topLogits, outputs.logits().width());
    int[] ids = new int[positions.length * top];
    float[] logits = new float[ids.length];
    float[] logSumExp = new float[2 * positions.length];
    float[] nll = new float[positions.length];
    for (int i = 0; i < positions.length; i++) {
      int position = positions[i];
      int[] ranking = Ranking.largest(outputs.logits(), position, top);
      System.arraycopy(ranking, 0, ids, i * top, top);
      for (int k = 0; k < top; k++) {
        logits[i * top + k] = outputs.logits().at(position, ranking[k]);
      }
      double sum = LogSoftmax.logSum(outputs.logits(), position);
      logSumExp[2 * i] = (float) sum;
      logSumExp[2 * i + 1] = (float) (sum - logSumExp[2 * i]);
      nll[i] = (float) (sum - outputs.logits().at(position, outputs.tokens()[position + 1]));
    }
    bundle.ints(of + "top.ids", ids, positions.length, top);
    bundle.floats(of + "top.logits", logits, positions.length, top);
    bundle.floats(of + "logsumexp", logSumExp, positions.length, 2);
    bundle.floats(of + "nll", nll, positions.length, 1);
  }

  /** Positions as evenly spread as whole numbers can be, the last one always. */
  private int[] spread(int tokens) {
    int count = Math.min(hiddenSamples, tokens);
    return IntStream.rangeClosed(1, count)
        .map(i -> Math.toIntExact((long) i * tokens / count) - 1)
        .toArray();
  }
}
