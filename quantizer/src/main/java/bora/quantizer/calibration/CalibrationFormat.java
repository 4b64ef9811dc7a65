package bora.quantizer.calibration;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.encoding.LittleEndian;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.zip.CRC32C;

/**
 * The fixed parts of a calibration file: magic in front; offset, length and check of the JSON last.
 */
final class CalibrationFormat {
  static final byte[] MAGIC = {(byte) 0x89, 'B', 'O', 'C', '\r', '\n', 0x1A, 1};
  static final int FOOTER_BYTES = 32;

  /** Far more than the tokens of any calibration take. */
  private static final long MAX_MANIFEST_BYTES = 256L << 20;

  private CalibrationFormat() {}

  static byte[] footer(long offsetBytes, byte[] manifest) {
    byte[] footer = new byte[FOOTER_BYTES];
    MemorySegment bytes = MemorySegment.ofArray(footer);
    bytes.set(LittleEndian.LONG, 0, offsetBytes);
    bytes.set(LittleEndian.LONG, 8, manifest.length);
    bytes.set(LittleEndian.INT, 16, crc(manifest));
    System.arraycopy(MAGIC, 0, footer, FOOTER_BYTES - MAGIC.length, MAGIC.length);
    return footer;
  }

  /**
   * The manifest's bytes, once magic, footer and checksum are right.
   *
   * @throws CorruptFileException saying what is wrong
   */
  static byte[] manifest(Path file, MemorySegment bytes) throws CorruptFileException {
    long end = bytes.byteSize() - FOOTER_BYTES;
    if (end < MAGIC.length || !hasMagic(bytes, 0)) {
      throw new CorruptFileException(file, "no calibration of bora");
    }
    if (!hasMagic(bytes, bytes.byteSize() - MAGIC.length)
        || bytes.get(LittleEndian.INT, end + 20) != 0) {
      throw new CorruptFileException(file, "its end is missing or damaged; calibrate again");
    }
    long offset = bytes.get(LittleEndian.LONG, end);
    long length = bytes.get(LittleEndian.LONG, end + 8);
    if (offset < MAGIC.length
        || length < 0
        || length > MAX_MANIFEST_BYTES
        || offset != end - length) {
      throw new CorruptFileException(
          file, "manifest: expected to end at " + end + ", found " + offset + " + " + length);
    }
    byte[] manifest = bytes.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE);
    int expected = bytes.get(LittleEndian.INT, end + 16);
    if (crc(manifest) != expected) {
      throw new CorruptFileException(
          file, "manifest: checksum: expected " + expected + ", found " + crc(manifest));
    }
    return manifest;
  }

  private static boolean hasMagic(MemorySegment bytes, long offset) {
    return MappedFile.hasAt(bytes, offset, MAGIC);
  }

  private static int crc(byte[] bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes);
    return (int) crc.getValue();
  }
}
