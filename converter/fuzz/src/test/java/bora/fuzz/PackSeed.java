package bora.fuzz;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * The honest pack, parts of which can be replaced; its sums are made to fit again, as whoever means
 * harm would. Places are those of {@code docs/format.md}.
 */
record PackSeed(byte[] pack) {
  private static final int FRAME_PART_BYTES = 64;
  private static final int HEADER_CRC_AT = 60;
  private static final int MANIFEST_LENGTH_AT = 8;
  private static final int FILE_LENGTH_AT = 16;
  private static final int MANIFEST_CRC_AT = 24;
  private static final int FOOTER_CRC_AT = 52;

  static PackSeed read() throws IOException {
    return new PackSeed(Seeds.read("model.bora"));
  }

  private int manifestAt() {
    return (int) ByteBuffer.wrap(footer()).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
  }

  private byte[] footer() {
    return Arrays.copyOfRange(pack, pack.length - FRAME_PART_BYTES, pack.length);
  }

  byte[] manifest() {
    return Arrays.copyOfRange(pack, manifestAt(), pack.length - FRAME_PART_BYTES);
  }

  byte[] withManifest(byte[] manifest) {
    byte[] changed =
        Arrays.copyOf(pack, Math.addExact(manifestAt() + FRAME_PART_BYTES, manifest.length));
    System.arraycopy(manifest, 0, changed, manifestAt(), manifest.length);
    byte[] footer = footer();
    ByteBuffer fields = ByteBuffer.wrap(footer).order(ByteOrder.LITTLE_ENDIAN);
    fields.putLong(MANIFEST_LENGTH_AT, manifest.length);
    fields.putLong(FILE_LENGTH_AT, changed.length);
    fields.putInt(MANIFEST_CRC_AT, crc(manifest, manifest.length));
    fields.putInt(FOOTER_CRC_AT, crc(footer, FOOTER_CRC_AT));
    System.arraycopy(footer, 0, changed, changed.length - FRAME_PART_BYTES, FRAME_PART_BYTES);
    return changed;
  }

  /** Header and footer. */
  byte[] frame() {
    byte[] frame = Arrays.copyOf(pack, 2 * FRAME_PART_BYTES);
    System.arraycopy(footer(), 0, frame, FRAME_PART_BYTES, FRAME_PART_BYTES);
    return frame;
  }

  /**
   * @param frame as many bytes as there are; the others become 0
   */
  byte[] withFrame(byte[] frame) {
    byte[] changed = pack.clone();
    byte[] whole = Arrays.copyOf(frame, 2 * FRAME_PART_BYTES);
    byte[] header = Arrays.copyOf(whole, FRAME_PART_BYTES);
    byte[] footer = Arrays.copyOfRange(whole, FRAME_PART_BYTES, whole.length);
    ByteBuffer.wrap(header)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(HEADER_CRC_AT, crc(header, HEADER_CRC_AT));
    ByteBuffer.wrap(footer)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(FOOTER_CRC_AT, crc(footer, FOOTER_CRC_AT));
    System.arraycopy(header, 0, changed, 0, FRAME_PART_BYTES);
    System.arraycopy(footer, 0, changed, changed.length - FRAME_PART_BYTES, FRAME_PART_BYTES);
    return changed;
  }

  private static int crc(byte[] bytes, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, 0, length);
    return (int) crc.getValue();
  }
}
