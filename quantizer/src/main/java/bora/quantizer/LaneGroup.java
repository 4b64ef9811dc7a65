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
  private final int maxRows;
  private float[][] rows = new float[PanelRows.COUNT][0];
  private int[][] pairs = new int[PanelRows.COUNT][0];
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
    int panels = Math.max(1, maxRows / rowsPerPanel);
    int count =
        Math.min(source.shape().rows() - firstRow, Math.multiplyExact(panels, rowsPerPanel));
    resize(count, source.shape().columns());
    boolean inPairs = source.hasBFloat16Pairs();
    for (int row = 0; row < lanes; row += PanelRows.COUNT) {
      if (inPairs) {
        readPairs(source, firstRow, row);
      } else {
        readFloats(source, firstRow, row);
      }
    }
  }

  private void readFloats(WeightSource source, int firstRow, int row) throws IOException {
    int rowsHere = Math.clamp(rowCount - row, 0, PanelRows.COUNT);
    for (int lane = 0; lane < rowsHere; lane++) {
      source.readRows(firstRow + row + lane, 1, rows[lane], 0);
    }
    for (int lane = rowsHere; lane < PanelRows.COUNT; lane++) {
      Arrays.fill(rows[lane], 0);
    }
    PanelRows.transpose(rows, columns, values, row, lanes);
  }

  /** The same values with half the reading and no step between. */
  private void readPairs(WeightSource source, int firstRow, int row) throws IOException {
    int rowsHere = Math.clamp(rowCount - row, 0, PanelRows.COUNT);
    for (int lane = 0; lane < rowsHere; lane++) {
      source.readBFloat16Pairs(firstRow + row + lane, pairs[lane], 0);
    }
    for (int lane = rowsHere; lane < PanelRows.COUNT; lane++) {
      Arrays.fill(pairs[lane], 0);
    }
    PanelRows.transposePairs(pairs, columns / 2, values, row, lanes);
  }

  private void resize(int newRowCount, int newColumns) {
    rowCount = newRowCount;
    columns = newColumns;
    lanes = Math.ceilDiv(rowCount, rowsPerPanel) * rowsPerPanel;
    int valuesLength = Math.multiplyExact(lanes, newColumns);
    if (rows[0].length < newColumns) {
      rows = new float[PanelRows.COUNT][newColumns];
      pairs = new int[PanelRows.COUNT][newColumns / 2];
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
    return lanes / rowsPerPanel;
  }

  int columns() {
    return columns;
  }

  /** Where the values of a block's first column begin. */
  int blockOffset(int block) {
    return block * ScalarGrid.COLUMNS_PER_BLOCK * lanes;
  }

  /** How many columns a block has; fewer in the last one. */
  int blockColumns(int block) {
    int first = block * ScalarGrid.COLUMNS_PER_BLOCK;
    return Math.min(columns - first, ScalarGrid.COLUMNS_PER_BLOCK);
  }

  /** The transposed values; longer than they are where an earlier group was larger. */
  float[] values() {
    return values;
  }
}
