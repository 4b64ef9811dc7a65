package bora.verifier;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import java.io.IOException;

/** The weights of a checkpoint as it was published. */
record CheckpointWeights(Checkpoint checkpoint) implements WeightSource {
  @Override
  public ModelConfig config() {
    return checkpoint.config();
  }

  @Override
  public String description() {
    return "checkpoint " + checkpoint.path().getFileName();
  }

  @Override
  public void readRows(TensorKey key, int row, int count, float[] values, int offset)
      throws IOException {
    checkpoint.tensor(key).readRows(row, count, values, offset);
  }
}
