package bora.formats.pack;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.SmallFile;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;

/**
 * What of a partial pack is whole, kept beside it for a run that resumes. Lines of UTF-8, each a
 * CRC32C of the rest of the line, a space and the rest:
 *
 * <pre>
 * bora-journal 1 WORK                  first: what is written here, as a SHA-256
 * tensor ID CRC32C SHA256              the bytes of this tensor were written
 * source NAME SHA256                   this source file, its name URL-encoded, was hashed
 * </pre>
 *
 * A line is written in one go after what it tells of. The first that is torn or damaged ends the
 * journal. It says nothing of what a crash of the machine kept: whoever resumes reads the tensors
 * back.
 */
record JournalContent(Map<String, Checksum> tensors, Map<String, String> sources, long wholeBytes) {
  private static final String TITLE = "bora-journal 1 ";
  private static final Pattern TENSOR =
      Pattern.compile("tensor (\\S+) ([0-9a-f]{8}) ([0-9a-f]{64})");
  private static final Pattern SOURCE = Pattern.compile("source (\\S+) ([0-9a-f]{64})");
  private static final int CRC_DIGITS = 8;
  private static final int MAX_BYTES = 64 << 20;

  JournalContent {
    tensors = Map.copyOf(tensors);
    sources = Map.copyOf(sources);
  }

  /** The content of a journal that has just been begun. */
  static JournalContent begun() {
    return new JournalContent(Map.of(), Map.of(), 0);
  }

  /**
   * Reads a journal.
   *
   * @return empty where there is none, or none whose first line is whole
   * @throws MismatchedArtifactException when it is of other work
   * @throws CorruptFileException when a whole line is none of this version's
   */
  static Optional<JournalContent> read(Path file, String work) throws IOException {
    byte[] bytes;
    try {
      bytes = SmallFile.read(file, MAX_BYTES);
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
    Map<String, Checksum> tensors = new HashMap<>();
    Map<String, String> sources = new HashMap<>();
    int end = 0;
    for (Optional<String> line = wholeLine(bytes, end);
        line.isPresent();
        line = wholeLine(bytes, end)) {
      if (end == 0) {
        requireSame(file, title(work), line.get());
      } else {
        take(file, line.get(), tensors, sources);
      }
      end += line(line.get()).length;
    }
    return end == 0 ? Optional.empty() : Optional.of(new JournalContent(tensors, sources, end));
  }

  /** The rest of the line that begins at a byte; empty where no whole one does. */
  private static Optional<String> wholeLine(byte[] bytes, int start) {
    int end = start;
    while (end < bytes.length && bytes[end] != '\n') {
      end++;
    }
    int restStart = start + CRC_DIGITS + 1;
    if (end == bytes.length || end < restStart) {
      return Optional.empty();
    }
    byte[] rest = Arrays.copyOfRange(bytes, restStart, end);
    byte[] prefix = prefix(rest);
    return Arrays.equals(bytes, start, restStart, prefix, 0, prefix.length)
        ? Optional.of(new String(rest, StandardCharsets.UTF_8))
        : Optional.empty();
  }

  private static byte[] prefix(byte[] rest) {
    CRC32C crc = new CRC32C();
    crc.update(rest);
    String digits = HexFormat.of().toHexDigits((int) crc.getValue());
    return (digits + " ").getBytes(StandardCharsets.US_ASCII);
  }

  private static void requireSame(Path file, String expected, String found)
      throws MismatchedArtifactException {
    if (!found.equals(expected)) {
      throw new MismatchedArtifactException(
          file,
          "what was begun there is another conversion: expected "
              + expected
              + ", found "
              + found
              + "; convert without --resume to begin anew");
    }
  }

  private static void take(
      Path file, String line, Map<String, Checksum> tensors, Map<String, String> sources)
      throws CorruptFileException {
    Matcher tensor = TENSOR.matcher(line);
    Matcher source = SOURCE.matcher(line);
    if (tensor.matches()) {
      tensors.put(tensor.group(1), new Checksum(tensor.group(2), tensor.group(3)));
    } else if (source.matches()) {
      sources.put(source.group(1), source.group(2));
    } else {
      throw new CorruptFileException(
          file,
          "expected lines `tensor ID CRC32C SHA256` and `source NAME SHA256`, found `"
              + line
              + "`; convert without --resume to begin anew");
    }
  }

  /** The first line without its check. */
  static String title(String work) {
    return TITLE + work;
  }

  /** A tensor's line without its check. */
  static String ofTensor(TensorKey key, Checksum checksum) {
    return "tensor " + key.id() + " " + checksum.crc32c() + " " + checksum.sha256();
  }

  /** A source file's line without its check. */
  static String ofSource(String name, String sha256) {
    return "source " + encode(name) + " " + sha256;
  }

  /** A line with its check, as it stands in the file. */
  static byte[] line(String rest) {
    byte[] bytes = rest.getBytes(StandardCharsets.UTF_8);
    byte[] prefix = prefix(bytes);
    byte[] line = Arrays.copyOf(prefix, prefix.length + bytes.length + 1);
    System.arraycopy(bytes, 0, line, prefix.length, bytes.length);
    line[line.length - 1] = '\n';
    return line;
  }

  /** The checksum of a tensor that an earlier run wrote. */
  Optional<Checksum> tensor(TensorKey key) {
    return Optional.ofNullable(tensors.get(key.id()));
  }

  /** The SHA-256 of a source file that an earlier run took. */
  Optional<String> source(String name) {
    return Optional.ofNullable(sources.get(encode(name)));
  }

  private static String encode(String name) {
    return URLEncoder.encode(name, StandardCharsets.UTF_8);
  }
}
