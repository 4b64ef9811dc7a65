package bora.verifier;

import bora.formats.CorruptFileException;
import bora.formats.ProgressListener;
import bora.formats.Sha256;
import bora.formats.checkpoint.DType;
import bora.formats.checkpoint.SafetensorsEntry;
import bora.formats.checkpoint.SafetensorsFile;
import bora.formats.encoding.LittleEndian;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/** The tensors of a reference file, each checked for what it must be before it is used. */
final class RecordedTensors implements AutoCloseable {
  private final SafetensorsFile file;
  private final String sha256;

  RecordedTensors(Path path) throws IOException {
    sha256 = Sha256.of(path, ProgressListener.NONE);
    file = SafetensorsFile.open(path);
  }

  Path path() {
    return file.path();
  }

  Map<String, SafetensorsEntry> entries() {
    return file.entries();
  }

  boolean has(String name) {
    return file.entries().containsKey(name);
  }

  SequencedMap<String, String> provenance() {
    SequencedMap<String, String> provenance = new LinkedHashMap<>();
    provenance.put("file", path().getFileName().toString());
    provenance.put("sha256", sha256);
    provenance.put("producer", file.metadata().getOrDefault("producer", "not stated"));
    return provenance;
  }

  /** What the file says of itself. */
  Map<String, String> metadata() {
    return file.metadata();
  }

  /** Checks that a name is a vector of ascending positions below a bound. */
  int[] positions(String name, int end) throws CorruptFileException {
    int[] positions = tokens(name);
    for (int i = 0; i < positions.length; i++) {
      if (positions[i] >= end || (i > 0 && positions[i] <= positions[i - 1])) {
        throw corrupt(name, "position " + i, "ascending ones below " + end, positions[i]);
      }
    }
    return positions;
  }

  /** A vector of token ids. */
  int[] tokens(String name) throws CorruptFileException {
    SafetensorsEntry entry = entry(name, DType.I32, 1);
    return tokens(name, entry.bytes());
  }

  /** The rows of a matrix of token ids. */
  List<int[]> tokenRows(String name) throws CorruptFileException {
    SafetensorsEntry entry = entry(name, DType.I32, 2);
    int rows = dimension(entry, 0);
    long rowBytes = (long) dimension(entry, 1) * Integer.BYTES;
    int[][] tokens = new int[rows][];
    for (int row = 0; row < rows; row++) {
      tokens[row] = tokens(name, entry.bytes().asSlice(row * rowBytes, rowBytes));
    }
    return List.of(tokens);
  }

  private int[] tokens(String name, MemorySegment bytes) throws CorruptFileException {
    int[] tokens = new int[Math.toIntExact(bytes.byteSize() / Integer.BYTES)];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = bytes.get(LittleEndian.INT, (long) i * Integer.BYTES);
      if (tokens[i] < 0) {
        throw corrupt(name, "token " + i, "a token of at least 0", tokens[i]);
      }
    }
    return tokens;
  }

  /** Checks that a matrix of float32 is there and has so many rows; returns its columns. */
  int columnsOf(String name, int expectedRows) throws CorruptFileException {
    SafetensorsEntry entry = entry(name, DType.F32, 2);
    if (dimension(entry, 0) != expectedRows) {
      throw corrupt(name, "rows", expectedRows, dimension(entry, 0));
    }
    return dimension(entry, 1);
  }

  /** A matrix of finite float32. */
  PositionValues values(String name) throws CorruptFileException {
    SafetensorsEntry entry = entry(name, DType.F32, 2);
    float[] values = new float[Math.toIntExact(entry.bytes().byteSize() / Float.BYTES)];
    MemorySegment.copy(entry.bytes(), LittleEndian.FLOAT, 0, values, 0, values.length);
    for (int i = 0; i < values.length; i++) {
      if (!Float.isFinite(values[i])) {
        throw corrupt(name, "value " + i, "a finite number", values[i]);
      }
    }
    return new PositionValues(dimension(entry, 1), values);
  }

  private SafetensorsEntry entry(String name, DType dtype, int rank) throws CorruptFileException {
    SafetensorsEntry entry = file.entries().get(name);
    if (entry == null) {
      throw new CorruptFileException(
          path(), "not a whole reference: expected tensor `" + name + "`, found none");
    }
    if (entry.dtype() != dtype) {
      throw corrupt(name, "type", dtype, entry.dtype());
    }
    if (entry.dimensions().size() != rank || entry.dimensions().stream().anyMatch(d -> d < 1)) {
      throw corrupt(name, "shape", rank + " dimensions of at least 1", entry.dimensions());
    }
    if (entry.bytes().byteSize() / dtype.bytes() > Integer.MAX_VALUE - 8) {
      throw corrupt(name, "size", "less than 2^31 values", entry.dimensions());
    }
    return entry;
  }

  private static int dimension(SafetensorsEntry entry, int index) {
    return Math.toIntExact(entry.dimensions().get(index));
  }

  CorruptFileException corrupt(String name, String what, Object expected, Object found) {
    return new CorruptFileException(
        path(), "tensor `" + name + "`: " + what + ": expected " + expected + ", found " + found);
  }

  @Override
  public void close() {
    file.close();
  }
}
