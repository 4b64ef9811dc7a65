package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/** Two columns of 16 rows in 64 bytes; the even column is the low half of a lane's word. */
record BF16Decoder() implements BlockDecoder {
  @Override
  public Encoding encoding() {
    return Encoding.BF16;
  }

  @Override
  public float valueAt(MemorySegment panel, int columns, int lane, int column) {
    long offsetBytes = (long) (column / 2) * 64 + lane * 4L + (column & 1) * 2L;
    return BFloat16.toFloat(panel.get(LittleEndian.SHORT, offsetBytes));
  }
}
