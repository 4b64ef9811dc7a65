package bora.runtime.text;

import bora.formats.CorruptFileException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The fields of one protobuf message, one after the other: {@link #next} goes to a field, the
 * method for its type takes the value. Fields whose value nobody takes are skipped.
 *
 * @see <a href="https://protobuf.dev/programming-guides/encoding/">the encoding</a>
 */
final class ProtobufFields {
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int LENGTH_DELIMITED = 2;
  private static final int FIXED32 = 5;

  private final Path file;
  private final ByteBuffer bytes;
  private int wireType = -1;
  private int fieldEnd;

  ProtobufFields(Path file, ByteBuffer bytes) {
    this.file = file;
    this.bytes = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Goes to the next field; returns its number, or 0 after the last. */
  int next() throws CorruptFileException {
    bytes.position(fieldEnd);
    if (!bytes.hasRemaining()) {
      return 0;
    }
    long tag = readVarint();
    wireType = (int) (tag & 7);
    long number = tag >>> 3;
    if (number < 1 || number > (1 << 29) - 1) {
      throw corrupt("a field number", number);
    }
    int valueStart = bytes.position();
    long length =
        switch (wireType) {
          case VARINT -> {
            readVarint();
            yield bytes.position() - valueStart;
          }
          case FIXED64 -> Long.BYTES;
          case FIXED32 -> Integer.BYTES;
          case LENGTH_DELIMITED -> {
            long payload = readVarint();
            int prefix = bytes.position() - valueStart;
            if (payload < 0 || payload > bytes.remaining()) {
              throw corrupt("a field of at most " + bytes.remaining() + " bytes", payload);
            }
            yield prefix + payload;
          }
          default -> throw corrupt("a wire type 0, 1, 2 or 5", wireType);
        };
    if (length > bytes.capacity() - valueStart) {
      throw corrupt("a field of at most " + (bytes.capacity() - valueStart) + " bytes", length);
    }
    fieldEnd = valueStart + (int) length;
    bytes.position(valueStart);
    return (int) number;
  }

  long integer() throws CorruptFileException {
    require(VARINT);
    return readVarint();
  }

  float floating() throws CorruptFileException {
    require(FIXED32);
    return bytes.getFloat();
  }

  ProtobufFields message() throws CorruptFileException {
    require(LENGTH_DELIMITED);
    readVarint();
    return new ProtobufFields(file, bytes.slice(bytes.position(), fieldEnd - bytes.position()));
  }

  /** Whether the message has any content. */
  boolean hasBytes() {
    return bytes.capacity() > 0;
  }

  String text() throws CorruptFileException {
    ProtobufFields content = message();
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(content.bytes).toString();
    } catch (CharacterCodingException e) {
      throw new CorruptFileException(file, "a string in it is no valid UTF-8", e);
    }
  }

  private void require(int expected) throws CorruptFileException {
    if (wireType != expected) {
      throw corrupt("wire type " + expected, wireType);
    }
  }

  private long readVarint() throws CorruptFileException {
    long value = 0;
    for (int shift = 0; shift < Long.SIZE; shift += 7) {
      if (!bytes.hasRemaining()) {
        throw new CorruptFileException(file, "ends within a number");
      }
      byte next = bytes.get();
      value |= (long) (next & 0x7f) << shift;
      if (next >= 0) {
        return value;
      }
    }
    throw new CorruptFileException(file, "a number in it is longer than 64 bits");
  }

  private CorruptFileException corrupt(String expected, long found) {
    return new CorruptFileException(
        file, "no protobuf message: expected " + expected + ", found " + found);
  }
}
