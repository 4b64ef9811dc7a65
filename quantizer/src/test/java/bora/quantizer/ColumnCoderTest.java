package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarGrid;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Coders given the scales that the encoder by weights alone has chosen make the same bytes. */
final class ColumnCoderTest {
  private static final int COLUMNS = 150;

  static Stream<Encoding> quantized() {
    return Stream.of(Encoding.values()).filter(Encoding::isQuantized);
  }

  @ParameterizedTest
  @MethodSource("quantized")
  void encodesAsTheEncoderOfWholeTensors(Encoding encoding) throws IOException {
    int rows = encoding.rowsPerPanel() - 3;
    SampledMatrix weights = TestWeights.gaussian(rows, COLUMNS, 0.02, 21);
    EncodedTensor expected = TestWeights.encode(weights, encoding);
    byte[] bytes = new byte[(int) encoding.panelBytes(COLUMNS)];
    Arrays.fill(bytes, (byte) 0x55);
    MemorySegment panel = MemorySegment.ofArray(bytes);
    ColumnCoder coder = ColumnCoder.of(encoding);
    coder.begin(panel, COLUMNS, rowScales(expected));
    float[] targets = new float[encoding.rowsPerPanel()];
    float[] said = new float[encoding.rowsPerPanel()];
    float[] meant = new float[encoding.rowsPerPanel()];
    for (int column = 0; column < COLUMNS; column++) {
      if (coder instanceof ScalarColumnCoder scalar && column % ScalarGrid.COLUMNS_PER_BLOCK == 0) {
        int block = column / ScalarGrid.COLUMNS_PER_BLOCK;
        scalar.beginBlock(block, subScaleIndices(expected, block));
      }
      for (int row = 0; row < rows; row++) {
        targets[row] = weights.values()[row * COLUMNS + column];
      }
      coder.encodeColumn(targets, column, said);
      encoding.decoder().decodeTile(expected.panel(0), COLUMNS, column, 1, meant);
      assertArrayEquals(meant, said);
    }
    assertEquals(-1, panel.mismatch(expected.panel(0)));
  }

  private static float[] rowScales(EncodedTensor tensor) {
    float[] scales = new float[tensor.encoding().rowsPerPanel()];
    for (int row = 0; row < scales.length; row++) {
      // Row scales of all encodings come first in a panel.
      scales[row] = BFloat16.toFloat(tensor.bytes().get(LittleEndian.SHORT, 2L * row));
    }
    return scales;
  }

  private static int[] subScaleIndices(EncodedTensor tensor, int block) {
    long word = tensor.bytes().get(LittleEndian.LONG, ScalarGrid.subScalesOffsetBytes(block));
    int[] indices = new int[ScalarGrid.LANES];
    for (int lane = 0; lane < indices.length; lane++) {
      indices[lane] = (int) (word >>> (4 * lane)) & 15;
    }
    return indices;
  }

  @Test
  void floatsHaveNoCoder() {
    assertThrows(IllegalArgumentException.class, () -> ColumnCoder.of(Encoding.BF16));
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "1.003, 1, 1.0078125",
    "0, 0, 0",
    "1e-31, 0, 0",
    "0x1p-100, 0x1p-100, 0x1p-100"
  })
  void rowScalesAreRoundedToWhatTheFormatAllows(float wanted, float nearest, float covering) {
    assertEquals(nearest, RowScales.nearest(wanted));
    assertEquals(covering, RowScales.covering(wanted));
  }
}
