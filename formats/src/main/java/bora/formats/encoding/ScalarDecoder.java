package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/** The scalar encodings: codes on the half-integer grid of {@link ScalarGrid}. */
record ScalarDecoder(Encoding encoding) implements BlockDecoder {
  @Override
  public float valueAt(MemorySegment panel, int columns, int lane, int column) {
    int blockIndex = column / ScalarGrid.COLUMNS_PER_BLOCK;
    long offsetBytes =
        encoding.codesOffsetBytes(columns) + (long) blockIndex * encoding.blockBytes();
    int code =
        ScalarCodes.codeAt(
            encoding, panel, offsetBytes, lane, column % ScalarGrid.COLUMNS_PER_BLOCK);
    return ScalarGrid.value(code, encoding.codeBits(), step(panel, lane, blockIndex));
  }

  private static float step(MemorySegment panel, int lane, int blockIndex) {
    return ScalarGrid.step(
        ScalarGrid.rowScale(panel, lane), ScalarGrid.subScaleIndex(panel, lane, blockIndex));
  }

  /** The same; an embedding's row is decoded for every token. */
  @Override
  public void decodeRow(MemorySegment panel, int columns, int lane, float[] values, int offset) {
    int bits = encoding.codeBits();
    long offsetBytes = encoding.codesOffsetBytes(columns);
    for (int start = 0; start < columns; start += ScalarGrid.COLUMNS_PER_BLOCK) {
      float step = step(panel, lane, start / ScalarGrid.COLUMNS_PER_BLOCK);
      int count = Math.min(ScalarGrid.COLUMNS_PER_BLOCK, columns - start);
      ScalarCodes.unpackLane(encoding, panel, offsetBytes, lane, values, offset + start, count);
      for (int i = offset + start; i < offset + start + count; i++) {
        values[i] = ScalarGrid.value((int) values[i], bits, step);
      }
      offsetBytes += encoding.blockBytes();
    }
  }
}
