package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisPanel;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Encodes a group of panels of a trellis encoding by the weights alone: a row's scale is a multiple
 * of the root of its mean square, and each column is the string closest to its weights.
 */
final class TrellisQuantizer {
  private static final int ROWS = TrellisPanel.ROWS;

  private final Encoding encoding;
  private final TrellisColumnCoder coder;
  private final float[] rowScales = new float[ROWS];
  private final double[] squares = new double[ROWS];
  private final float[] targets = new float[ROWS];
  private final float[] decoded = new float[ROWS];

  TrellisQuantizer(Encoding encoding) {
    this.encoding = encoding;
    this.coder = new TrellisColumnCoder(encoding);
  }

  /**
   * Encodes a group.
   *
   * @param panels receives the group's panels, one after the other
   */
  void encode(LaneGroup group, MemorySegment panels) {
    long panelBytes = encoding.panelBytes(group.columns());
    for (int panel = 0; panel < group.panels(); panel++) {
      chooseRowScales(group, panel * ROWS);
      coder.begin(panels.asSlice(panel * panelBytes, panelBytes), group.columns(), rowScales);
      for (int column = 0; column < group.columns(); column++) {
        System.arraycopy(group.values(), column * group.lanes() + panel * ROWS, targets, 0, ROWS);
        coder.encodeColumn(targets, column, decoded);
      }
    }
  }

  private void chooseRowScales(LaneGroup group, int firstLane) {
    Arrays.fill(squares, 0);
    for (int column = 0; column < group.columns(); column++) {
      int offset = column * group.lanes() + firstLane;
      for (int row = 0; row < ROWS; row++) {
        double value = group.values()[offset + row];
        squares[row] += value * value;
      }
    }
    for (int row = 0; row < ROWS; row++) {
      rowScales[row] = RowScales.trellis(encoding, Math.sqrt(squares[row] / group.columns()));
    }
  }
}
