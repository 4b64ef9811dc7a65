package bora.verifier;

import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackReader;
import java.io.IOException;

/** Where a {@link ReferenceModel} reads its weights. */
public interface WeightSource {
  ModelConfig config();

  /** Which weights these are; goes into the report. */
  String description();

  /**
   * Reads rows of a tensor, exactly. Several threads may read at once.
   *
   * @param row the first; 0 for a vector, which is one row
   * @param values receives {@code count} rows from {@code offset}, row-major
   */
  void readRows(TensorKey key, int row, int count, float[] values, int offset) throws IOException;

  /** The weights of a checkpoint, which the caller keeps and closes. */
  static WeightSource of(Checkpoint checkpoint) {
    return new CheckpointWeights(checkpoint);
  }

  /**
   * The weights that a pack's bytes stand for, by the scalar definition of its encodings. A runtime
   * that differs from this has wrong kernels, whatever its encodings lost. The caller keeps and
   * closes the pack.
   */
  static WeightSource of(PackReader pack) {
    return new PackWeights(pack);
  }
}
