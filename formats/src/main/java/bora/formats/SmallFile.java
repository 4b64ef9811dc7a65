package bora.formats;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads files whole that must not be large, whatever they are and whatever length they claim. */
public final class SmallFile {
  private SmallFile() {}

  /**
   * Reads a file.
   *
   * @param maxBytes the largest accepted; not more is read
   * @throws CorruptFileException when it is larger
   * @throws IOException naming the file, when it cannot be read
   */
  public static byte[] read(Path file, int maxBytes) throws IOException {
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      bytes = in.readNBytes(maxBytes + 1);
    } catch (FileSystemException e) {
      throw e;
    } catch (IOException e) {
      throw new IOException(file + ": cannot be read: " + e.getMessage(), e);
    }
    if (bytes.length > maxBytes) {
      throw new CorruptFileException(file, "expected at most " + maxBytes + " bytes, found more");
    }
    return bytes;
  }

  /**
   * Reads a file of UTF-8.
   *
   * @throws CorruptFileException when it is larger, or no UTF-8
   * @throws IOException naming the file, when it cannot be read
   */
  public static String readText(Path file, int maxBytes) throws IOException {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(read(file, maxBytes)))
          .toString();
    } catch (CharacterCodingException e) {
      throw new CorruptFileException(file, "expected UTF-8, found other bytes", e);
    }
  }
}
