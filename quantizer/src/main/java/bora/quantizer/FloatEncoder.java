package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarGrid;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Writes panels of f32 and bf16: the 32-bit words of 16 rows, transposed. A word is one value of
 * f32 or a pair of bf16.
 */
final class FloatEncoder {
  private final Encoding encoding;
  private float[] values = {};
  private int[][] rows = new int[ScalarGrid.LANES][0];
  private int[] transposed = {};

  FloatEncoder(Encoding encoding) {
    this.encoding = encoding;
  }

  Encoding encoding() {
    return encoding;
  }

  /**
   * Encodes a vector.
   *
   * @param bytes receives {@link Encoding#encodedBytes} bytes
   */
  void encodeVector(WeightSource source, MemorySegment bytes) throws IOException {
    int words = resize(source.shape().columns());
    readRow(source, 0, rows[0]);
    bytes.fill((byte) 0);
    MemorySegment.copy(rows[0], 0, bytes, LittleEndian.INT, 0, words);
  }

  /**
   * Encodes one panel of a matrix.
   *
   * @param firstRow a multiple of 16
   * @param panel receives {@link Encoding#panelBytes} bytes
   */
  void encodePanel(WeightSource source, int firstRow, MemorySegment panel) throws IOException {
    int words = resize(source.shape().columns());
    int rowCount = Math.min(ScalarGrid.LANES, source.shape().rows() - firstRow);
    for (int lane = 0; lane < rowCount; lane++) {
      readRow(source, firstRow + lane, rows[lane]);
    }
    for (int lane = rowCount; lane < ScalarGrid.LANES; lane++) {
      Arrays.fill(rows[lane], 0);
    }
    PanelRows.transpose(rows, words, transposed, 0, ScalarGrid.LANES);
    MemorySegment.copy(transposed, 0, panel, LittleEndian.INT, 0, words * ScalarGrid.LANES);
  }

  /** Returns the number of words in a row. */
  private int resize(int columns) {
    int words = encoding.blockCount(columns);
    if (rows[0].length < words) {
      rows = new int[ScalarGrid.LANES][words];
      transposed = new int[Math.multiplyExact(ScalarGrid.LANES, words)];
    }
    if (values.length < columns) {
      values = new float[columns];
    }
    return words;
  }

  private void readRow(WeightSource source, int row, int[] words) throws IOException {
    if (encoding == Encoding.BF16) {
      source.readBFloat16Pairs(row, words, 0);
      return;
    }
    source.readRows(row, 1, values, 0);
    MemorySegment.copy(
        MemorySegment.ofArray(values),
        0,
        MemorySegment.ofArray(words),
        0,
        (long) source.shape().columns() * Float.BYTES);
  }
}
