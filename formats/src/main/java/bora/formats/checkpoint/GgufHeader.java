package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.UnsupportedVersionException;
import bora.formats.encoding.LittleEndian;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reads what stands before the tensors of a GGUF file: metadata and the list of tensors. Format:
 * {@code docs/gguf.md} of github.com/ggml-org/ggml.
 */
final class GgufHeader {
  static final String MAGIC = "GGUF";
  static final String ALIGNMENT_KEY = "general.alignment";
  static final int VERSION = 3;
  static final int DEFAULT_ALIGNMENT = 32;

  /** Version 1 counted in 32 bits; version 3 only added big-endian files. */
  private static final int OLDEST_VERSION = 2;

  private static final int MAX_ALIGNMENT = 1 << 20;
  private static final int MAX_DIMENSIONS = 4;
  private static final int MAX_NESTING = 4;

  /**
   * What the file says of one tensor.
   *
   * @param dimensions outermost first
   * @param offsetBytes from the start of the data
   */
  record Info(String name, GgmlType type, List<Long> dimensions, long offsetBytes) {}

  private final Path file;
  private final MemorySegment bytes;
  private final Map<String, GgufValue> metadata = new TreeMap<>();
  private final List<Info> tensors = new ArrayList<>();
  private long position;

  private GgufHeader(Path file, MemorySegment bytes) {
    this.file = file;
    this.bytes = bytes;
  }

  /**
   * @throws CorruptFileException naming what breaks the format
   * @throws UnsupportedVersionException when the version is none of 2 and 3
   */
  static GgufHeader read(Path file, MemorySegment bytes) throws IOException {
    GgufHeader header = new GgufHeader(file, bytes);
    header.readAll();
    return header;
  }

  /** The metadata by key. */
  Map<String, GgufValue> metadata() {
    return metadata;
  }

  /** The tensors in the file's order. */
  List<Info> tensors() {
    return tensors;
  }

  /** Where the header ends, and the data begins after padding to the alignment. */
  long lengthBytes() {
    return position;
  }

  private void readAll() throws IOException {
    if (!new String(readBytes(MAGIC.length()), StandardCharsets.ISO_8859_1).equals(MAGIC)) {
      throw wrong("magic: expected GGUF, found something else");
    }
    requireVersion(readInt());
    long tensorCount = readCount("number of tensors");
    long keyCount = readCount("number of keys");
    for (long i = 0; i < keyCount; i++) {
      String key = readText();
      if (metadata.put(key, readValue(readInt(), 0)) != null) {
        throw wrong("metadata: expected every key once, found `" + key + "` twice");
      }
    }
    for (long i = 0; i < tensorCount; i++) {
      tensors.add(readInfo());
    }
  }

  private void requireVersion(int version) throws IOException {
    if (version >= OLDEST_VERSION && version <= VERSION) {
      return;
    }
    if (Integer.reverseBytes(version) <= VERSION && Integer.reverseBytes(version) > 0) {
      throw wrong("byte order: expected little-endian, found big-endian");
    }
    throw new UnsupportedVersionException(
        file,
        Integer.compareUnsigned(version, OLDEST_VERSION) < 0
            ? UnsupportedVersionException.Reason.TOO_OLD
            : UnsupportedVersionException.Reason.TOO_NEW,
        "GGUF version: expected 2 or 3, found " + Integer.toUnsignedString(version));
  }

  /** A count of things of at least one byte each cannot exceed what is left of the file. */
  private long readCount(String what) throws CorruptFileException {
    long count = readLong();
    long left = bytes.byteSize() - position;
    if (count < 0 || count > left) {
      throw wrong(
          what
              + ": expected at most the "
              + left
              + " bytes left in the file, found "
              + Long.toUnsignedString(count)
              + "; was the download cut short?");
    }
    return count;
  }

  private GgufValue readValue(int type, int nesting) throws CorruptFileException {
    return switch (type) {
      case 0 -> new GgufValue.Whole(readByte() & 0xFF);
      case 1 -> new GgufValue.Whole(readByte());
      case 2 -> new GgufValue.Whole(readShort() & 0xFFFF);
      case 3 -> new GgufValue.Whole(readShort());
      case 4 -> new GgufValue.Whole(Integer.toUnsignedLong(readInt()));
      case 5 -> new GgufValue.Whole(readInt());
      case 6 -> new GgufValue.Real(shortestDecimal(Float.intBitsToFloat(readInt())));
      case 7 -> new GgufValue.Flag(readByte() != 0);
      case 8 -> new GgufValue.Text(readText());
      case 9 -> readArray(nesting);
      case 10, 11 -> new GgufValue.Whole(readLong());
      case 12 -> new GgufValue.Real(Double.longBitsToDouble(readLong()));
      default ->
          throw wrong(
              "metadata: expected a type from 0 to 12, found " + Integer.toUnsignedString(type));
    };
  }

  /** Writers round decimals like 1e-5 to float32; this finds the decimal again. */
  private static double shortestDecimal(float value) {
    return Double.parseDouble(Float.toString(value));
  }

  private GgufValue readArray(int nesting) throws CorruptFileException {
    int type = readInt();
    long length = readCount("length of an array");
    if (type == 9 && nesting >= MAX_NESTING) {
      throw wrong("metadata: expected arrays nested at most " + MAX_NESTING + " deep, found more");
    }
    int elementBytes =
        switch (type) {
          case 0, 1, 7 -> 1;
          case 2, 3 -> 2;
          case 4, 5, 6 -> 4;
          case 10, 11, 12 -> 8;
          default -> 0;
        };
    if (elementBytes > 0) {
      skip(Math.multiplyExact(length, elementBytes));
    } else if (type == 8) {
      for (long i = 0; i < length; i++) {
        skip(readCount("length of a text"));
      }
    } else {
      for (long i = 0; i < length; i++) {
        GgufValue unused = readValue(type, nesting + 1);
      }
    }
    return new GgufValue.Array(length);
  }

  private Info readInfo() throws CorruptFileException {
    String name = readText();
    int rank = readInt();
    if (rank < 0 || rank > MAX_DIMENSIONS) {
      throw wrong(
          "tensor `"
              + name
              + "`: expected at most "
              + MAX_DIMENSIONS
              + " dimensions, found "
              + Integer.toUnsignedString(rank));
    }
    List<Long> innermostFirst = new ArrayList<>();
    for (int i = 0; i < rank; i++) {
      innermostFirst.add(readLong());
    }
    int typeId = readInt();
    GgmlType type =
        GgmlType.ofId(typeId)
            .orElseThrow(
                () ->
                    wrong(
                        "tensor `"
                            + name
                            + "`: expected a type that llama.cpp has, found number "
                            + Integer.toUnsignedString(typeId)));
    return new Info(name, type, innermostFirst.reversed(), readLong());
  }

  private String readText() throws CorruptFileException {
    long length = readCount("length of a text");
    if (length > Integer.MAX_VALUE - 8) {
      throw wrong("text: expected less than 2^31 bytes, found " + length);
    }
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(readBytes((int) length)))
          .toString();
    } catch (CharacterCodingException e) {
      throw new CorruptFileException(file, "text: expected UTF-8, found other bytes", e);
    }
  }

  private byte[] readBytes(int length) throws CorruptFileException {
    return bytes.asSlice(skip(length), length).toArray(ValueLayout.JAVA_BYTE);
  }

  private byte readByte() throws CorruptFileException {
    return bytes.get(ValueLayout.JAVA_BYTE, skip(1));
  }

  private short readShort() throws CorruptFileException {
    return bytes.get(LittleEndian.SHORT, skip(2));
  }

  private int readInt() throws CorruptFileException {
    return bytes.get(LittleEndian.INT, skip(4));
  }

  private long readLong() throws CorruptFileException {
    return bytes.get(LittleEndian.LONG, skip(8));
  }

  /** Moves on and returns where it was. */
  private long skip(long length) throws CorruptFileException {
    long start = position;
    if (length > bytes.byteSize() - start) {
      throw wrong(
          "header ends early: expected "
              + length
              + " more bytes, found "
              + (bytes.byteSize() - start)
              + "; was the download cut short?");
    }
    position = start + length;
    return start;
  }

  private CorruptFileException wrong(String problem) {
    return new CorruptFileException(file, problem);
  }

  /**
   * The alignment of the data.
   *
   * @throws CorruptFileException when it is no power of two of a sane size
   */
  int alignmentBytes() throws CorruptFileException {
    GgufValue value = metadata.get(ALIGNMENT_KEY);
    if (value == null) {
      return DEFAULT_ALIGNMENT;
    }
    if (value instanceof GgufValue.Whole(long alignment)
        && alignment > 0
        && alignment <= MAX_ALIGNMENT
        && Long.bitCount(alignment) == 1) {
      return (int) alignment;
    }
    throw wrong(ALIGNMENT_KEY + ": expected a power of two up to 2^20, found " + value);
  }
}
