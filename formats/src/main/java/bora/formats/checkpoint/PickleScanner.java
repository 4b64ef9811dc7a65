package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import java.math.BigInteger;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The bytes of a pickle: opcodes, and the arguments that stand behind them. Whatever reads beyond
 * the end throws a {@link BufferUnderflowException}.
 */
final class PickleScanner {
  private final Path file;
  private final ByteBuffer pickle;

  PickleScanner(Path file, byte[] pickle) {
    this.file = file;
    this.pickle = ByteBuffer.wrap(pickle).order(ByteOrder.LITTLE_ENDIAN);
  }

  int position() {
    return pickle.position();
  }

  boolean isAtEnd() {
    return !pickle.hasRemaining();
  }

  int unsignedByte() {
    return pickle.get() & 0xFF;
  }

  int unsignedShort() {
    return pickle.getShort() & 0xFFFF;
  }

  int integer() {
    return pickle.getInt();
  }

  /** Passes over a number of eight bytes that nobody needs. */
  void skipEight() {
    pickle.getLong();
  }

  /** A number of any length below 256 bytes, its length in front. */
  long longInteger() throws CorruptFileException {
    byte[] littleEndian = bytes(unsignedByte());
    if (littleEndian.length == 0) {
      return 0;
    }
    byte[] bigEndian = new byte[littleEndian.length];
    for (int i = 0; i < bigEndian.length; i++) {
      bigEndian[i] = littleEndian[bigEndian.length - 1 - i];
    }
    BigInteger value = new BigInteger(bigEndian);
    if (value.bitLength() > 63) {
      throw PickleReader.wrong(file, "expected integers below 2^63, found " + value);
    }
    return value.longValue();
  }

  /** UTF-8 of a number of bytes. */
  String text(int length) throws CorruptFileException {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes(length))).toString();
    } catch (CharacterCodingException e) {
      throw new CorruptFileException(file, "pickle: expected UTF-8 text, found other bytes", e);
    }
  }

  private byte[] bytes(int length) throws CorruptFileException {
    if (length < 0 || length > pickle.remaining()) {
      throw PickleReader.wrong(
          file,
          "expected at most "
              + pickle.remaining()
              + " bytes of text, found a length of "
              + Integer.toUnsignedString(length));
    }
    byte[] bytes = new byte[length];
    pickle.get(bytes);
    return bytes;
  }

  /** Up to a line feed, which is dropped. */
  String line() throws CorruptFileException {
    int start = pickle.position();
    while (pickle.get() != '\n') {}
    int length = pickle.position() - start - 1;
    pickle.position(start);
    String line = text(length);
    pickle.get();
    return line;
  }
}
