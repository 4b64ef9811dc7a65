package bora.runtime.text;

import bora.formats.CorruptFileException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;

/** Text from a stream that must be UTF-8 to the last byte read. */
public final class Utf8Reader {
  private static final int CHUNK_BYTES = 1 << 16;

  private final Path file;
  private final InputStream in;
  private final CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
  private final ByteBuffer bytes = ByteBuffer.allocate(CHUNK_BYTES).flip();
  private final CharBuffer chars = CharBuffer.allocate(CHUNK_BYTES);
  private long offsetBytes;
  private boolean atEnd;

  /**
   * @param file where the bytes are from, for messages
   * @param in stays the caller's
   */
  public Utf8Reader(Path file, InputStream in) {
    this.file = file;
    this.in = in;
  }

  /**
   * Reads on until the text has that many chars or a few more.
   *
   * @return whether there may be more to read
   * @throws CorruptFileException when the bytes are no UTF-8, naming the first wrong one
   */
  public boolean append(StringBuilder text, int chars) throws IOException {
    while (!atEnd && text.length() < chars) {
      appendChunk(text);
    }
    return !atEnd;
  }

  private int read() throws IOException {
    try {
      return in.read(bytes.array(), bytes.position(), bytes.remaining());
    } catch (IOException e) {
      throw new IOException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private void appendChunk(StringBuilder text) throws IOException {
    bytes.compact();
    int read = read();
    atEnd = read < 0;
    bytes.position(bytes.position() + Math.max(read, 0)).flip();
    int start = bytes.position();
    CoderResult result = decoder.decode(bytes, chars.clear(), atEnd);
    offsetBytes += bytes.position() - start;
    if (result.isError()) {
      throw new CorruptFileException(
          file,
          "no valid UTF-8: expected the text's bytes to be, found 0x"
              + HexFormat.of().toHexDigits(bytes.get(bytes.position()))
              + " at byte "
              + offsetBytes
              + "; convert the text to UTF-8");
    }
    text.append(chars.flip());
  }
}
