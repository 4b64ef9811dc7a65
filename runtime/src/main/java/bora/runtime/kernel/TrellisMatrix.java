package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.MEMORY;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisPanel;
import java.util.Arrays;

/**
 * A matrix in a trellis encoding, a panel of 64 rows at a time. Inside, the rows of a panel are in
 * the order of {@link TrellisKernels}: row {@code 4 l + v} is the one at {@code 16 v + l}.
 */
final class TrellisMatrix {
  private TrellisMatrix() {}

  private static int place(int row) {
    return row % TrellisPanel.ROWS_PER_LANE * TrellisPanel.LANES + row / TrellisPanel.ROWS_PER_LANE;
  }

  /** Multiplies by one token; the arguments are those of {@link Kernels#multiply}, checked. */
  static void multiply(
      EncodedTensor matrix,
      float[] x,
      int xOffset,
      float[] y,
      int yOffset,
      int panelStart,
      int panelEnd) {
    KernelScratch scratch = KernelScratch.ofThread();
    Encoding encoding = matrix.encoding();
    int columns = matrix.shape().columns();
    float[] sums = scratch.trellisSums(1);
    for (int panel = panelStart; panel < panelEnd; panel++) {
      long address = address(matrix, panel);
      int stateBits = TrellisPanel.stateBits(MEMORY, address);
      Arrays.fill(sums, 0, TrellisPanel.ROWS, 0);
      for (int start = 0; start < columns; start += TrellisFields.COLUMNS) {
        int count = unpack(matrix, address, start, columns - start, scratch.trellisFields);
        for (int part = 0; part < Lanes.PARTS; part++) {
          TrellisKernels.multiply(
              encoding, stateBits, scratch.trellisFields, part, count, x, xOffset + start, sums);
        }
      }
      int firstRow = panel * TrellisPanel.ROWS;
      int rows = Math.min(TrellisPanel.ROWS, matrix.shape().rows() - firstRow);
      for (int row = 0; row < rows; row++) {
        y[yOffset + firstRow + row] =
            sums[place(row)] * TrellisPanel.rowScale(MEMORY, address, row);
      }
    }
  }

  /**
   * Decodes columns of a panel to four panels of the scratch's tile, one a vector v.
   *
   * @param columnStart a multiple of {@link TrellisFields#COLUMNS}
   */
  static void decodeTile(
      EncodedTensor matrix, int panel, int columnStart, int columnCount, KernelScratch scratch) {
    long address = address(matrix, panel);
    int stateBits = TrellisPanel.stateBits(MEMORY, address);
    for (int row = 0; row < TrellisPanel.ROWS; row++) {
      scratch.trellisScales[place(row)] = TrellisPanel.rowScale(MEMORY, address, row);
    }
    for (int start = 0; start < columnCount; start += TrellisFields.COLUMNS) {
      int count =
          unpack(matrix, address, columnStart + start, columnCount - start, scratch.trellisFields);
      for (int part = 0; part < Lanes.PARTS; part++) {
        TrellisKernels.decode(
            matrix.encoding(),
            stateBits,
            scratch.trellisFields,
            part,
            count,
            scratch.trellisScales,
            scratch.tile,
            start * Lanes.PANEL_ROWS,
            MatrixByTokens.PANEL_FLOATS);
      }
    }
  }

  /** Takes the sums of tokens to where they belong. */
  static void store(
      float[] sums, int tokens, float[] y, int yOffset, int yStride, int firstRow, int rows) {
    for (int t = 0; t < tokens; t++) {
      for (int row = 0; row < rows; row++) {
        y[yOffset + t * yStride + firstRow + row] = sums[t * TrellisPanel.ROWS + place(row)];
      }
    }
  }

  private static long address(EncodedTensor matrix, int panel) {
    return matrix.bytes().address()
        + panel * matrix.encoding().panelBytes(matrix.shape().columns());
  }

  /** Unpacks the next columns, as many as are left and fit, and says how many. */
  private static int unpack(
      EncodedTensor matrix, long panelAddress, int column, int columnsLeft, int[] fields) {
    Encoding encoding = matrix.encoding();
    int count = Math.min(TrellisFields.COLUMNS, columnsLeft);
    long address =
        panelAddress
            + encoding.codesOffsetBytes(matrix.shape().columns())
            + (long) (column / TrellisPanel.COLUMNS_PER_BLOCK) * encoding.blockBytes();
    TrellisFields.unpack(encoding, address, encoding.blockCount(count), fields);
    return count;
  }
}
