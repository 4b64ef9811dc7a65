package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/** q8, q6 and q4: codes on the half-integer grid of {@link ScalarGrid}. */
record ScalarDecoder(Encoding encoding) implements BlockDecoder {
  @Override
  public float valueAt(MemorySegment panel, int columns, int lane, int column) {
    int blockIndex = column / ScalarGrid.COLUMNS_PER_BLOCK;
    long offsetBytes =
        encoding.codesOffsetBytes(columns) + (long) blockIndex * encoding.blockBytes();
    int code =
        ScalarCodes.codeAt(
            encoding, panel, offsetBytes, lane, column % ScalarGrid.COLUMNS_PER_BLOCK);
    float step =
        ScalarGrid.step(
            ScalarGrid.rowScale(panel, lane), ScalarGrid.subScaleIndex(panel, lane, blockIndex));
    return ScalarGrid.value(code, encoding.codeBits(), step);
  }
}
