package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import bora.runtime.kernel.RandomMatrix.Content;
import java.lang.foreign.Arena;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Values of states, decoded at the width of this process, against their definition. */
class TrellisKernelTest {
  private static final int[][] COLUMNS = {{0, 1}, {0, 7}, {8, 8}, {256, 45}, {0, 256}};

  @ParameterizedTest
  @EnumSource(
      value = Encoding.class,
      names = {"T1", "T2", "T3", "T4", "T5"})
  void decodesEveryState(Encoding encoding) {
    int panelFloats = MatrixByTokens.PANEL_FLOATS;
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor matrix = RandomMatrix.of(arena, encoding, 100, 301, Content.RANDOM, 1);
      for (int panel = 0; panel < 2; panel++) {
        for (int[] columns : COLUMNS) {
          float[] tile = new float[4 * panelFloats];
          TrellisMatrix.decodeTile(matrix, panel, columns[0], columns[1], tile, panelFloats);
          for (int c = 0; c < columns[1]; c++) {
            for (int row = 0; row < TrellisPanel.ROWS; row++) {
              int state = TrellisPanel.stateAt(encoding, matrix.panel(panel), row, columns[0] + c);
              float expected = TrellisCode.of(encoding).value(state);
              assertEquals(expected, tile[row / 16 * panelFloats + 16 * c + row % 16]);
            }
          }
        }
      }
    }
  }
}
