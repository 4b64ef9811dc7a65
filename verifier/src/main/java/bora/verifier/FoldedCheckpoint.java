package bora.verifier;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A checkpoint's weights as a calibrated pack has them before they are rounded: channels scaled by
 * powers of two, and what feeds them by the inverse. Which powers is found out from both.
 */
final class FoldedCheckpoint implements WeightSource {
  private final WeightSource checkpoint;
  private final PackReader pack;
  private final Map<Integer, LayerFolds> foldsOfLayer = new ConcurrentHashMap<>();

  FoldedCheckpoint(WeightSource checkpoint, PackReader pack) {
    this.checkpoint = checkpoint;
    this.pack = pack;
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
            return LayerFolds.of(checkpoint, pack, missing);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }
}
