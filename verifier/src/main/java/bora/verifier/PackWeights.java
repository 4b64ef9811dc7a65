package bora.verifier;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackReader;

/** The weights that a pack's bytes stand for, decoded one by one. */
record PackWeights(PackReader pack) implements WeightSource {
  @Override
  public ModelConfig config() {
    return pack.config();
  }

  @Override
  public String description() {
    return "decoded weights of " + pack.path().getFileName();
  }

  @Override
  public void readRows(TensorKey key, int row, int count, float[] values, int offset) {
    EncodedTensor tensor = pack.tensor(key);
    for (int i = 0; i < count; i++) {
      tensor.decodeRow(row + i, values, offset + i * tensor.shape().columns());
    }
  }
}
