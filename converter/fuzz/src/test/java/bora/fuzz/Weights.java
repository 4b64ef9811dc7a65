package bora.fuzz;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.encoding.EncodedTensor;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import bora.formats.pack.PackReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** Reads every weight of a model, as a conversion or a forward pass would. */
final class Weights {
  private Weights() {}

  static void ofCheckpoint(Path path) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(path)) {
      for (Map.Entry<TensorKey, TensorShape> tensor : checkpoint.config().tensors().entrySet()) {
        float[] row = new float[tensor.getValue().columns()];
        for (int i = 0; i < tensor.getValue().rows(); i++) {
          checkpoint.tensor(tensor.getKey()).readRows(i, 1, row, 0);
        }
      }
      String unused = checkpoint.fingerprint();
    }
  }

  static void ofPack(Path path) throws IOException {
    try (PackReader pack = PackReader.open(path)) {
      for (TensorKey key : pack.manifest().entries().keySet()) {
        EncodedTensor tensor = pack.tensor(key);
        float[] row = new float[tensor.shape().columns()];
        for (int i = 0; i < tensor.shape().rows(); i++) {
          tensor.decodeRow(i, row, 0);
        }
      }
    }
  }
}
