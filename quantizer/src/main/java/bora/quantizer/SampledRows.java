package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.io.IOException;

/** Some rows of a matrix, in groups that follow each other, spread evenly. */
final class SampledRows implements WeightSource {
  private static final int GROUP_ROWS = 64;

  private final WeightSource source;
  private final int groups;
  private final int stride;

  /**
   * @param maxRows the most rows to take; all where there are no more
   */
  SampledRows(WeightSource source, int maxRows) {
    this.source = source;
    int whole = Math.ceilDiv(source.shape().rows(), GROUP_ROWS);
    int wanted = Math.min(whole, Math.max(1, maxRows / GROUP_ROWS));
    this.stride = whole / wanted;
    this.groups = wanted;
  }

  /** What part of the rows these are. */
  double share() {
    return (double) shape().rows() / source.shape().rows();
  }

  @Override
  public TensorKey key() {
    return source.key();
  }

  @Override
  public TensorShape shape() {
    int lastRows = Math.min(GROUP_ROWS, source.shape().rows() - (groups - 1) * stride * GROUP_ROWS);
    return TensorShape.matrix((groups - 1) * GROUP_ROWS + lastRows, source.shape().columns());
  }

  @Override
  public Encoding exactEncoding() throws IOException {
    return source.exactEncoding();
  }

  @Override
  public void readRows(int row, int count, float[] values, int offset) throws IOException {
    int columns = shape().columns();
    for (int r = row; r < row + count; r++) {
      int sourceRow = r / GROUP_ROWS * stride * GROUP_ROWS + r % GROUP_ROWS;
      source.readRows(sourceRow, 1, values, offset + (r - row) * columns);
    }
  }
}
