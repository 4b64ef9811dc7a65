package bora.quantizer;

import bora.formats.checkpoint.SourceTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.io.IOException;

/** The weights of one tensor, read row by row as float32. */
public interface WeightSource {
  TensorKey key();

  TensorShape shape();

  /**
   * The smallest encoding that holds every value as it is: bf16 or f32. Follows from the values and
   * not from the checkpoint's type alone, so that a pack does not depend on the checkpoint's
   * layout.
   */
  Encoding exactEncoding() throws IOException;

  /**
   * Reads whole rows; a vector is one row.
   *
   * @param values receives {@code count * shape().columns()} finite values, row-major, from {@code
   *     offset}
   */
  void readRows(int row, int count, float[] values, int offset) throws IOException;

  /** The weights of a checkpoint's tensor. */
  static WeightSource of(SourceTensor tensor) {
    return new CheckpointWeights(tensor);
  }

  /** Adapts a checkpoint's tensor. */
  record CheckpointWeights(SourceTensor tensor) implements WeightSource {
    @Override
    public TensorKey key() {
      return tensor.key();
    }

    @Override
    public TensorShape shape() {
      return tensor.shape();
    }

    @Override
    public Encoding exactEncoding() throws IOException {
      return tensor.isBFloat16() ? Encoding.BF16 : Encoding.F32;
    }

    @Override
    public void readRows(int row, int count, float[] values, int offset) throws IOException {
      tensor.readRows(row, count, values, offset);
    }
  }
}
