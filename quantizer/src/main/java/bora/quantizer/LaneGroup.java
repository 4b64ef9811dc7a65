package bora.quantizer;

import java.io.IOException;
import java.util.Arrays;

/**
 * Some panels of a matrix, transposed: the value of lane l (row {@code firstRow + l}), column c at
 * {@code c * lanes() + l}. Loops over the lanes of a column then run over neighbours in memory and
 * need no sums across them, which is what lets the compiler vectorise them. Lanes beyond the last
 * row are zero.
 */
final class LaneGroup {
  /** Keeps the rows of a power-of-two width out of each other's cache sets. */
  private static final int ROW_PADDING = 16;

  /** Rows that are transposed at once. */
  private static final int ROWS_AT_ONCE = 16;

  private final int maxRows;
  private float[] rows = {};
  private float[] values = {};
  private int rowCount;
  private int rowsPerPanel;
  private int lanes;
  private int columns;

  /**
   * @param maxRows how many rows a group has at most, unless one panel has more
   */
  LaneGroup(int maxRows) {
    this.maxRows = maxRows;
  }

  /**
   * Reads the panels that begin at a row, as many as there are and fit.
   *
   * @param newRowsPerPanel of the encoding that they are for, a multiple of 16
   */
  void read(WeightSource source, int firstRow, int newRowsPerPanel) throws IOException {
    rowsPerPanel = newRowsPerPanel;
    int count =
        Math.min(
            source.shape().rows() - firstRow,
            Math.multiplyExact(Math.max(1, maxRows / rowsPerPanel), rowsPerPanel));
    resize(count, source.shape().columns());
    int stride = Math.addExact(columns, ROW_PADDING);
    for (int row = 0; row < lanes; row += ROWS_AT_ONCE) {
      int rowsHere = Math.clamp(rowCount - row, 0, ROWS_AT_ONCE);
      for (int lane = 0; lane < rowsHere; lane++) {
        source.readRows(firstRow + row + lane, 1, rows, lane * stride);
      }
      for (int lane = rowsHere; lane < ROWS_AT_ONCE; lane++) {
        Arrays.fill(rows, lane * stride, lane * stride + columns, 0);
      }
      transpose(stride, row);
    }
  }

  private void resize(int newRowCount, int newColumns) {
    rowCount = newRowCount;
    columns = newColumns;
    lanes = Math.ceilDiv(rowCount, rowsPerPanel) * rowsPerPanel;
    int rowsLength = Math.multiplyExact(ROWS_AT_ONCE, Math.addExact(newColumns, ROW_PADDING));
    int valuesLength = Math.multiplyExact(lanes, newColumns);
    if (rows.length < rowsLength) {
      rows = new float[rowsLength];
    }
    if (values.length < valuesLength) {
      values = new float[valuesLength];
    }
  }

  private void transpose(int stride, int firstLane) {
    for (int column = 0; column < columns; column++) {
      int target = column * lanes + firstLane;
      for (int lane = 0; lane < ROWS_AT_ONCE; lane++) {
        values[target + lane] = rows[lane * stride + column];
      }
    }
  }

  /** The number of rows that exist. */
  int rowCount() {
    return rowCount;
  }

  /** The number of rows with those that pad the last panel. */
  int lanes() {
    return lanes;
  }

  int panels() {
    return lanes / rowsPerPanel;
  }

  int columns() {
    return columns;
  }

  /** The transposed values; longer than they are where an earlier group was larger. */
  float[] values() {
    return values;
  }
}
