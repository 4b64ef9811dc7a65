package bora.formats.pack;

/**
 * A range of a file. Here and in {@link bora.formats.model.TensorKey} equality is written out, for
 * a record's own is made at its first use, which costs more than the checks of a pack.
 */
public record ByteRange(long offsetBytes, long lengthBytes) {
  public ByteRange {
    if (offsetBytes < 0 || lengthBytes < 0) {
      throw new IllegalArgumentException("no such range: " + offsetBytes + " + " + lengthBytes);
    }
    Math.addExact(offsetBytes, lengthBytes);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ByteRange range
        && offsetBytes == range.offsetBytes
        && lengthBytes == range.lengthBytes;
  }

  @Override
  public int hashCode() {
    return 31 * Long.hashCode(offsetBytes) + Long.hashCode(lengthBytes);
  }

  /** The first byte behind the range. */
  public long endBytes() {
    return offsetBytes + lengthBytes;
  }
}
