package bora.quantizer;

import bora.formats.encoding.ScalarGrid;
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

  private final int maxPanels;
  private float[] rows = {};
  private float[] values = {};
  private int rowCount;
  private int lanes;
  private int columns;

  LaneGroup(int maxPanels) {
    this.maxPanels = maxPanels;
  }

  /** Reads the panels that begin at a row, as many as there are and fit. */
  void read(WeightSource source, int firstRow) throws IOException {
    int count =
        Math.min(source.shape().rows() - firstRow, Math.multiplyExact(maxPanels, ScalarGrid.LANES));
    resize(count, source.shape().columns());
    int stride = Math.addExact(columns, ROW_PADDING);
    for (int row = 0; row < rowCount; row += ScalarGrid.LANES) {
      int rowsHere = Math.min(ScalarGrid.LANES, rowCount - row);
      for (int lane = 0; lane < rowsHere; lane++) {
        source.readRows(firstRow + row + lane, 1, rows, lane * stride);
      }
      for (int lane = rowsHere; lane < ScalarGrid.LANES; lane++) {
        Arrays.fill(rows, lane * stride, lane * stride + columns, 0);
      }
      transpose(stride, row);
    }
  }

  private void resize(int newRowCount, int newColumns) {
    rowCount = newRowCount;
    columns = newColumns;
    lanes = Math.ceilDiv(rowCount, ScalarGrid.LANES) * ScalarGrid.LANES;
    int rowsLength = Math.multiplyExact(ScalarGrid.LANES, Math.addExact(newColumns, ROW_PADDING));
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
      for (int lane = 0; lane < ScalarGrid.LANES; lane++) {
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
    return lanes / ScalarGrid.LANES;
  }

  int columns() {
    return columns;
  }

  /** The transposed values; longer than they are where an earlier group was larger. */
  float[] values() {
    return values;
  }
}
