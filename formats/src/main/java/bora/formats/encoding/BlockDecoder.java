package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/**
 * The scalar definition of what the bytes of a matrix in an encoding mean. Slow on purpose: every
 * faster decoder is proven equal to it, bit for bit.
 */
public sealed interface BlockDecoder
    permits F32Decoder, BF16Decoder, ScalarDecoder, TrellisDecoder {
  /** The encoding that this decodes. */
  Encoding encoding();

  /**
   * The value of one element.
   *
   * @param panel the panel's bytes, from its first
   * @param columns the matrix's width
   * @param lane the row within the panel
   * @param column 0 to {@code columns - 1}
   */
  float valueAt(MemorySegment panel, int columns, int lane, int column);

  /**
   * Decodes a row of a panel.
   *
   * @param values receives {@code columns} values from {@code offset}
   */
  default void decodeRow(MemorySegment panel, int columns, int lane, float[] values, int offset) {
    for (int column = 0; column < columns; column++) {
      values[offset + column] = valueAt(panel, columns, lane, column);
    }
  }

  /**
   * Decodes a range of columns of all lanes of a panel.
   *
   * @param tile receives the value of lane r, column {@code columnStart + c} at {@code c *
   *     rowsPerPanel + r}
   */
  default void decodeTile(
      MemorySegment panel, int columns, int columnStart, int columnCount, float[] tile) {
    int lanes = encoding().rowsPerPanel();
    for (int c = 0; c < columnCount; c++) {
      for (int lane = 0; lane < lanes; lane++) {
        tile[c * lanes + lane] = valueAt(panel, columns, lane, columnStart + c);
      }
    }
  }
}
