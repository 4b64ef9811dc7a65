package bora.converter.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;

/** A calibration with values changed and every checksum made to fit. */
final class CalibrationCopy {
  private static final int MAGIC_BYTES = 8;
  private static final int FOOTER_BYTES = 32;

  private final byte[] moments;
  private final ByteBuffer footer;
  private String manifest;

  CalibrationCopy(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    int end = bytes.length - FOOTER_BYTES;
    footer =
        ByteBuffer.wrap(Arrays.copyOfRange(bytes, end, bytes.length))
            .order(ByteOrder.LITTLE_ENDIAN);
    int start = (int) footer.getLong(0);
    moments = Arrays.copyOf(bytes, start);
    manifest = new String(bytes, start, end - start, StandardCharsets.UTF_8);
  }

  void setFirstMoment(float value) {
    ByteBuffer.wrap(moments).order(ByteOrder.LITTLE_ENDIAN).putFloat(MAGIC_BYTES, value);
    MatchResult entry = first("\"moments\"[^{]*\\{[^}]*\"bytes\" *: *(\\d+)");
    int length = Integer.parseInt(entry.group(1));
    setFirst("crc32c", Integer.toString(crc(moments, MAGIC_BYTES, length)));
  }

  /** Replaces the number of the first field of that name. */
  void setFirst(String field, String value) {
    MatchResult found = first("\"" + field + "\" *: *([-+.\\dE]+)");
    manifest = manifest.substring(0, found.start(1)) + value + manifest.substring(found.end(1));
  }

  private MatchResult first(String pattern) {
    Matcher matcher = Pattern.compile(pattern).matcher(manifest);
    if (!matcher.find()) {
      throw new AssertionError("no " + pattern);
    }
    return matcher.toMatchResult();
  }

  private static int crc(byte[] bytes, int offset, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, offset, length);
    return (int) crc.getValue();
  }

  Path write(Path out) throws IOException {
    byte[] json = manifest.getBytes(StandardCharsets.UTF_8);
    footer.putLong(8, json.length).putInt(16, crc(json, 0, json.length));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.write(moments);
    bytes.write(json);
    bytes.write(footer.array());
    return Files.write(out, bytes.toByteArray());
  }
}
