package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.io.IOException;

/**
 * Weights times powers of two by column and row.
 *
 * @param columnExponents null for none
 * @param rowExponents null for none
 */
record FoldedWeights(WeightSource source, int[] columnExponents, int[] rowExponents)
    implements WeightSource {
  @Override
  public TensorKey key() {
    return source.key();
  }

  @Override
  public TensorShape shape() {
    return source.shape();
  }

  @Override
  public Encoding exactEncoding() throws IOException {
    return source.exactEncoding();
  }

  @Override
  public void readRows(int row, int count, float[] values, int offset) throws IOException {
    source.readRows(row, count, values, offset);
    int columns = shape().columns();
    for (int r = 0; r < count; r++) {
      int rowExponent = rowExponents == null ? 0 : rowExponents[row + r];
      for (int c = 0; c < columns; c++) {
        int exponent = rowExponent + (columnExponents == null ? 0 : columnExponents[c]);
        values[offset + r * columns + c] = Math.scalb(values[offset + r * columns + c], exponent);
      }
    }
  }
}
