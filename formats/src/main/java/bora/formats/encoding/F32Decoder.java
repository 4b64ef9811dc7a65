package bora.formats.encoding;

import java.lang.foreign.MemorySegment;

/** One column of 16 rows in 64 bytes. */
record F32Decoder() implements BlockDecoder {
  @Override
  public Encoding encoding() {
    return Encoding.F32;
  }

  @Override
  public float valueAt(MemorySegment panel, int columns, int lane, int column) {
    return panel.get(LittleEndian.FLOAT, (long) column * 64 + lane * 4L);
  }
}
