package bora.formats.pack;

import bora.formats.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.zip.CRC32C;

/**
 * What proves bytes unchanged: the CRC32C finds damage, the SHA-256 identifies.
 *
 * @param crc32c 8 lower-case hexadecimal digits
 * @param sha256 64 lower-case hexadecimal digits
 */
public record Checksum(String crc32c, String sha256) {
  public Checksum {
    requireHex(crc32c, 8);
    requireHex(sha256, 64);
  }

  private static void requireHex(String digits, int length) {
    boolean valid = digits.length() == length;
    // A pack has as many as it has tensors, and nothing is compiled yet when it is opened.
    for (byte c : digits.getBytes(StandardCharsets.ISO_8859_1)) {
      valid &= (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }
    if (!valid) {
      throw new IllegalArgumentException(
          "expected " + length + " lower-case hexadecimal digits, found \"" + digits + "\"");
    }
  }

  /** Takes both sums over bytes given in order. */
  static final class Running {
    private final CRC32C crc = new CRC32C();
    private final MessageDigest sha = Sha256.newDigest();

    void update(ByteBuffer bytes) {
      crc.update(bytes.duplicate());
      sha.update(bytes.duplicate());
    }

    Checksum end() {
      return new Checksum(HexFormat.of().toHexDigits((int) crc.getValue()), Sha256.hex(sha));
    }
  }
}
