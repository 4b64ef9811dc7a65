package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;

/**
 * One tensor of a checkpoint, read as float32 row by row, wherever and in whatever type its rows
 * stand. Safe for use by several threads.
 */
public final class SourceTensor {
  private static final int CHUNK_BYTES = 1 << 20;

  private final TensorKey key;
  private final TensorShape shape;
  private final StoredTensor stored;
  private final WeightType type;
  private final RowPlacement rows;

  /**
   * @param stored of {@code type}, with the dimensions that {@code rows} needs
   */
  SourceTensor(
      TensorKey key, TensorShape shape, StoredTensor stored, WeightType type, RowPlacement rows) {
    this.key = key;
    this.shape = shape;
    this.stored = stored;
    this.type = type;
    this.rows = rows;
  }

  public TensorKey key() {
    return key;
  }

  public TensorShape shape() {
    return shape;
  }

  /** The type in which the checkpoint holds it. */
  public WeightType type() {
    return type;
  }

  /**
   * Whether bfloat16 holds every weight as it is. Follows from the type, or else every weight is
   * read: for small tensors.
   */
  public boolean isBFloat16() throws IOException {
    if (type == WeightType.BF16) {
      return true;
    }
    float[] values = new float[shape.columns()];
    for (int row = 0; row < shape.rows(); row++) {
      readRows(row, 1, values, 0);
      for (float value : values) {
        if ((Float.floatToRawIntBits(value) & 0xFFFF) != 0) {
          return false;
        }
      }
    }
    return true;
  }

  /** Bytes in the checkpoint. */
  public long byteSize() {
    return type.bytes(shape.elementCount());
  }

  /** Whether a stored tensor has the very same values in the very same type. */
  boolean holds(StoredTensor other) {
    return rows.equals(RowPlacement.WHOLE)
        && other.typeName().equals(stored.typeName())
        && sameBytes(other.bytes(), stored.bytes());
  }

  /**
   * Compares copies: where a mapped file was cut short, the processor's own instructions for
   * comparing would end the virtual machine.
   */
  private static boolean sameBytes(MemorySegment one, MemorySegment other) {
    boolean same = one.byteSize() == other.byteSize();
    for (long done = 0; same && done < one.byteSize(); done += CHUNK_BYTES) {
      long length = Math.min(CHUNK_BYTES, one.byteSize() - done);
      same =
          Arrays.equals(
              one.asSlice(done, length).toArray(ValueLayout.JAVA_BYTE),
              other.asSlice(done, length).toArray(ValueLayout.JAVA_BYTE));
    }
    return same;
  }

  /** The file that holds the tensor. */
  public Path file() {
    return stored.file();
  }

  /**
   * Reads whole rows, widened exactly to float32.
   *
   * @param row the first row; 0 for a vector
   * @param values receives {@code count * shape.columns()} values, row-major, from {@code offset}
   * @throws CorruptFileException when a value is NaN or infinite, saying where
   * @throws IOException when the file was cut short meanwhile
   */
  public void readRows(int row, int count, float[] values, int offset) throws IOException {
    Objects.checkFromIndexSize(row, count, shape.rows());
    int total = Math.multiplyExact(count, shape.columns());
    Objects.checkFromIndexSize(offset, total, values.length);
    try {
      if (!decodeRows(row, count, values, offset)) {
        throw notFinite(row, total, values, offset);
      }
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    }
  }

  /** Returns whether all values are finite. */
  private boolean decodeRows(int row, int count, float[] values, int offset) {
    return switch (rows) {
      case RowPlacement.Consecutive consecutive ->
          decode(consecutive.storedRow(row), count * shape.columns(), values, offset);
      case RowPlacement.InterleavedHalves halves ->
          readInterleaved(halves, row, count, values, offset);
      case RowPlacement.Columns(long firstRow) -> readColumns(firstRow, row, count, values, offset);
    };
  }

  /**
   * Whether {@link #readBFloat16Pairs} can be used: bf16 of an even number of columns, whose rows
   * stand as rows.
   */
  public boolean hasBFloat16Pairs() {
    return type == WeightType.BF16
        && shape.columns() % 2 == 0
        && !(rows instanceof RowPlacement.Columns);
  }

  /**
   * Reads one row of bf16 as it is, two columns a word, the even one in the lower half.
   *
   * @param words receives {@code shape.columns() / 2} words from {@code offset}
   * @throws CorruptFileException when a value is NaN or infinite, saying where
   * @throws IOException when the file was cut short meanwhile
   * @throws IllegalStateException unless {@link #hasBFloat16Pairs}
   */
  public void readBFloat16Pairs(int row, int[] words, int offset) throws IOException {
    int columns = shape.columns();
    Objects.checkIndex(row, shape.rows());
    if (!hasBFloat16Pairs()) {
      throw new IllegalStateException(key + ": " + type + " " + shape + " has no pairs of bf16");
    }
    long startBytes = type.bytes(Math.multiplyExact(rows.storedRow(row), (long) columns));
    try {
      if (!HalfFloats.readBFloat16Pairs(stored.bytes(), startBytes, columns / 2, words, offset)) {
        readRows(row, 1, new float[columns], 0);
      }
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    }
  }

  private boolean decode(long storedRow, int count, float[] values, int offset) {
    long first = Math.multiplyExact(storedRow, (long) shape.columns());
    return WeightDecoder.decode(type, stored.bytes(), first, count, values, offset);
  }

  private boolean readInterleaved(
      RowPlacement.InterleavedHalves halves, int row, int count, float[] values, int offset) {
    int columns = shape.columns();
    boolean finite = true;
    for (int i = 0; i < count; i++) {
      finite &= decode(halves.storedRow(row + i), columns, values, offset + i * columns);
    }
    return finite;
  }

  /** Each stored row holds one column of this tensor; its run of {@code count} is scattered. */
  private boolean readColumns(long firstRow, int row, int count, float[] values, int offset) {
    int columns = shape.columns();
    float[] run = new float[count];
    boolean finite = true;
    for (int column = 0; column < columns; column++) {
      long first = Math.multiplyExact(firstRow + column, (long) shape.rows()) + row;
      finite &= WeightDecoder.decode(type, stored.bytes(), first, count, run, 0);
      for (int i = 0; i < count; i++) {
        values[offset + i * columns + column] = run[i];
      }
    }
    return finite;
  }

  private CorruptFileException notFinite(int row, int total, float[] values, int offset) {
    int bad = 0;
    while (bad < total && Float.isFinite(values[offset + bad])) {
      bad++;
    }
    return new CorruptFileException(
        file(),
        "tensor `"
            + stored.name()
            + "`: expected finite weights, found "
            + values[offset + bad]
            + " at row "
            + (row + bad / shape.columns())
            + ", column "
            + bad % shape.columns()
            + "; the checkpoint is damaged or its training diverged");
  }
}
