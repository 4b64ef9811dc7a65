package bora.quantizer;

import bora.formats.checkpoint.SourceTensor;
import bora.formats.encoding.BFloat16;
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

  /** Whether {@link #readBFloat16Pairs} rounds nothing and pads nothing. */
  default boolean hasBFloat16Pairs() {
    return false;
  }

  /**
   * Reads one row rounded to bf16, two columns a word, the even one in the lower half; beside the
   * last of an odd number stands zero.
   *
   * @param words receives {@code ceil(shape().columns() / 2)} words from {@code offset}
   * @throws IOException from the source, or when a weight is too large for bf16
   */
  default void readBFloat16Pairs(int row, int[] words, int offset) throws IOException {
    int columns = shape().columns();
    float[] values = new float[columns];
    readRows(row, 1, values, 0);
    for (int column = 0; column < columns; column += 2) {
      int low = bfloat16(values[column]);
      int high = column + 1 < columns ? bfloat16(values[column + 1]) : 0;
      words[offset + column / 2] = high << 16 | (low & 0xFFFF);
    }
  }

  private short bfloat16(float value) throws IOException {
    short bits = BFloat16.fromFloat(value);
    if (Float.isInfinite(BFloat16.toFloat(bits))) {
      throw new IOException(
          key()
              + ": a weight is too large for bf16: expected at most 3.3895e38, found "
              + value
              + "; give this tensor the encoding f32");
    }
    return bits;
  }

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

    @Override
    public boolean hasBFloat16Pairs() {
      return tensor.hasBFloat16Pairs();
    }

    @Override
    public void readBFloat16Pairs(int row, int[] words, int offset) throws IOException {
      if (tensor.hasBFloat16Pairs()) {
        tensor.readBFloat16Pairs(row, words, offset);
      } else {
        WeightSource.super.readBFloat16Pairs(row, words, offset);
      }
    }
  }
}
