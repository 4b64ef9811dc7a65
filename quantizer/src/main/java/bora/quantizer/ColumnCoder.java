package bora.quantizer;

import bora.formats.encoding.Encoding;
import java.lang.foreign.MemorySegment;

/**
 * Encodes one panel of a matrix column by column, so that whoever drives it can feed the error of a
 * column back into the columns that follow before those are encoded. Scales are the driver's
 * choice; the codes are the nearest in units of the scales.
 *
 * <p>A coder has buffers of its own and serves one panel after the other; not for several threads
 * at once. The bytes depend on scales and targets alone.
 */
interface ColumnCoder {
  /** The encoding; a column has {@code encoding().rowsPerPanel()} rows. */
  Encoding encoding();

  /**
   * Begins a panel and writes its row scales.
   *
   * @param panel {@code encoding().panelBytes(columns)} bytes, all of which are written
   * @param rowScales one a row of the panel, each a bf16 that the format allows as {@link
   *     RowScales} rounds them; 0 for rows of zeros and rows that pad the panel
   */
  void begin(MemorySegment panel, int columns, float[] rowScales);

  /**
   * Encodes a column. The columns of a panel come in ascending order, each once.
   *
   * @param targets what the column's rows should be; unchanged
   * @param column 0 to {@code columns - 1}; the bytes are complete once the last is encoded
   * @param decoded receives what the codes mean, as the scalar definition decodes them
   */
  void encodeColumn(float[] targets, int column, float[] decoded);

  /**
   * A coder for matrices.
   *
   * @throws IllegalArgumentException when the encoding keeps values as they are
   */
  static ColumnCoder of(Encoding encoding) {
    return encoding.isTrellis()
        ? new TrellisColumnCoder(encoding)
        : new ScalarColumnCoder(encoding);
  }
}
