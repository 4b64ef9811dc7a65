package bora.verifier;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A checkpoint's weights as a calibrated pack has them before they are rounded: channels scaled by
 * powers of two, and what feeds them by the inverse.
 */
final class FoldedCheckpoint implements WeightSource {
  private final WeightSource checkpoint;
  private final Map<Integer, LayerFolds> foldsOfLayer = new ConcurrentHashMap<>();

  FoldedCheckpoint(WeightSource checkpoint) {
    this.checkpoint = checkpoint;
  }

  @Override
  public ModelConfig config() {
    return checkpoint.config();
  }

  @Override
  public String description() {
    return checkpoint.description();
  }

  @Override
  public void readRows(TensorKey key, int row, int count, float[] values, int offset)
      throws IOException {
    checkpoint.readRows(key, row, count, values, offset);
    if (key.layer() >= 0) {
      try {
        folds(key.layer()).apply(key, row, count, values, offset);
      } catch (UncheckedIOException e) {
        throw e.getCause();
      }
    }
  }

  private LayerFolds folds(int layer) {
    return foldsOfLayer.computeIfAbsent(
        layer,
        missing -> {
          try {
            return LayerFolds.of(checkpoint, missing);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }
}
