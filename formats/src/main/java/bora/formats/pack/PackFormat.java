package bora.formats.pack;

import bora.formats.encoding.LittleEndian;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/** The fixed parts of format 1: header and footer, as {@code docs/format.md} gives them. */
final class PackFormat {
  static final int MAJOR = 1;
  static final int MINOR = 0;
  static final int HEADER_BYTES = 64;
  static final int FOOTER_BYTES = 64;
  static final int EXPERT_ALIGNMENT_BYTES = 4096;
  static final long MAX_MANIFEST_BYTES = 64L << 20;

  /** Required feature: there are trellis codes, of levels that are bytes. */
  static final long TRELLIS_LEVELS = 1;

  /** {@code 89 'B' 'O' 'R' 'A' 0D 0A 1A}, read as a little-endian number. */
  static final long MAGIC = 0x1A0A0D41524F4289L;

  static final int MAJOR_OFFSET = 8;
  static final int MINOR_OFFSET = 10;
  static final int HEADER_LENGTH_OFFSET = 12;
  static final int FEATURES_OFFSET = 16;
  static final int TENSOR_ALIGNMENT_OFFSET = 24;
  static final int EXPERT_ALIGNMENT_OFFSET = 28;
  static final int HEADER_RESERVED_OFFSET = 32;
  static final int HEADER_CRC_OFFSET = 60;

  static final int MANIFEST_OFFSET_OFFSET = 0;
  static final int MANIFEST_LENGTH_OFFSET = 8;
  static final int FILE_LENGTH_OFFSET = 16;
  static final int MANIFEST_CRC_OFFSET = 24;
  static final int FOOTER_RESERVED_OFFSET = 28;
  static final int FOOTER_CRC_OFFSET = 52;
  static final int FOOTER_MAGIC_OFFSET = 56;

  private PackFormat() {}

  static byte[] header(int tensorAlignment, long requiredFeatures) {
    byte[] bytes = new byte[HEADER_BYTES];
    ByteBuffer header = LittleEndian.buffer(bytes);
    header.putLong(0, MAGIC);
    header.putShort(MAJOR_OFFSET, (short) MAJOR);
    header.putShort(MINOR_OFFSET, (short) MINOR);
    header.putInt(HEADER_LENGTH_OFFSET, HEADER_BYTES);
    header.putLong(FEATURES_OFFSET, requiredFeatures);
    header.putInt(TENSOR_ALIGNMENT_OFFSET, tensorAlignment);
    header.putInt(EXPERT_ALIGNMENT_OFFSET, EXPERT_ALIGNMENT_BYTES);
    header.putInt(HEADER_CRC_OFFSET, crc32c(header.slice(0, HEADER_CRC_OFFSET)));
    return bytes;
  }

  static byte[] footer(long manifestOffset, byte[] manifest) {
    byte[] bytes = new byte[FOOTER_BYTES];
    ByteBuffer footer = LittleEndian.buffer(bytes);
    footer.putLong(MANIFEST_OFFSET_OFFSET, manifestOffset);
    footer.putLong(MANIFEST_LENGTH_OFFSET, manifest.length);
    long fileLength = manifestOffset + manifest.length + FOOTER_BYTES;
    footer.putLong(FILE_LENGTH_OFFSET, fileLength);
    footer.putInt(MANIFEST_CRC_OFFSET, crc32c(ByteBuffer.wrap(manifest)));
    footer.putInt(FOOTER_CRC_OFFSET, crc32c(footer.slice(0, FOOTER_CRC_OFFSET)));
    footer.putLong(FOOTER_MAGIC_OFFSET, ~MAGIC);
    return bytes;
  }

  static int crc32c(ByteBuffer bytes) {
    CRC32C crc = new CRC32C();
    crc.update(bytes.duplicate());
    return (int) crc.getValue();
  }

  /** Byte by byte: what has not been compiled yet is fastest with a plain array. */
  static boolean isZero(byte[] bytes, int start, int end) {
    for (int i = start; i < end; i++) {
      if (bytes[i] != 0) {
        return false;
      }
    }
    return true;
  }
}
