package bora.runtime;

import bora.formats.model.ModelConfig;
import java.util.Arrays;

/** Keeps all it hears, and fails when it hears something twice. */
final class RecordingObserver implements ForwardObserver {
  private final ModelConfig config;

  /** [index][position]. */
  final float[][][] hidden;

  /** [layer][position]. */
  final float[][][] routerLogits;

  /** [position]. */
  final float[][] logits;

  RecordingObserver(ModelConfig config, int positions) {
    this.config = config;
    hidden = new float[config.layerCount() + 1][positions][];
    routerLogits = new float[config.layerCount()][positions][];
    logits = new float[positions][];
  }

  @Override
  public void hidden(int index, int position, float[] values, int offset) {
    keep(hidden[index], position, values, offset, config.hiddenSize());
  }

  @Override
  public void routerLogits(int layer, int position, float[] values, int offset) {
    keep(routerLogits[layer], position, values, offset, config.expertCount());
  }

  @Override
  public void logits(int position, float[] values, int offset) {
    keep(logits, position, values, offset, config.vocabSize());
  }

  private static void keep(float[][] rows, int position, float[] values, int offset, int width) {
    if (rows[position] != null) {
      throw new AssertionError("position " + position + " was heard twice");
    }
    rows[position] = Arrays.copyOfRange(values, offset, offset + width);
  }
}
