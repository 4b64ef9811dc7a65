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
  private final int maxPanels;
  private float[][] rows = new float[ScalarGrid.LANES][0];
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
    for (int row = 0; row < rowCount; row += ScalarGrid.LANES) {
      int rowsHere = Math.min(ScalarGrid.LANES, rowCount - row);
      for (int lane = 0; lane < rowsHere; lane++) {
        source.readRows(firstRow + row + lane, 1, rows[lane], 0);
      }
      for (int lane = rowsHere; lane < ScalarGrid.LANES; lane++) {
        Arrays.fill(rows[lane], 0);
      }
      PanelRows.transpose(rows, columns, values, row, lanes);
    }
  }

  private void resize(int newRowCount, int newColumns) {
    rowCount = newRowCount;
    columns = newColumns;
    lanes = Math.ceilDiv(rowCount, ScalarGrid.LANES) * ScalarGrid.LANES;
    int valuesLength = Math.multiplyExact(lanes, newColumns);
    if (rows[0].length < newColumns) {
      rows = new float[ScalarGrid.LANES][newColumns];
    }
    if (values.length < valuesLength) {
      values = new float[valuesLength];
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
