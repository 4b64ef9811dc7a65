package bora.formats.pack;

/** A range of a file. */
public record ByteRange(long offsetBytes, long lengthBytes) {
  public ByteRange {
    if (offsetBytes < 0 || lengthBytes < 0) {
      throw new IllegalArgumentException("no such range: " + offsetBytes + " + " + lengthBytes);
    }
    Math.addExact(offsetBytes, lengthBytes);
  }

  /** The first byte behind the range. */
  public long endBytes() {
    return offsetBytes + lengthBytes;
  }
}
