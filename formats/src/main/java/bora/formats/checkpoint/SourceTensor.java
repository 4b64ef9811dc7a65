package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.nio.file.Path;
import java.util.Objects;

/**
 * One tensor of a checkpoint, read as float32 row by row, wherever and in whatever type its rows
 * stand. Safe for use by several threads.
 */
public final class SourceTensor {
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
  public boolean isBFloat16() throws CorruptFileException {
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
        && other.bytes().mismatch(stored.bytes()) < 0;
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
   */
  public void readRows(int row, int count, float[] values, int offset) throws CorruptFileException {
    Objects.checkFromIndexSize(row, count, shape.rows());
    int total = Math.multiplyExact(count, shape.columns());
    Objects.checkFromIndexSize(offset, total, values.length);
    switch (rows) {
      case RowPlacement.Consecutive consecutive ->
          decode(consecutive.storedRow(row), total, values, offset);
      case RowPlacement.InterleavedHalves halves -> {
        for (int i = 0; i < count; i++) {
          int target = offset + i * shape.columns();
          decode(halves.storedRow(row + i), shape.columns(), values, target);
        }
      }
      case RowPlacement.Columns(long firstRow) -> readColumns(firstRow, row, count, values, offset);
    }
    if (!isFinite(values, offset, total)) {
      throw notFinite(row, total, values, offset);
    }
  }

  private void decode(long storedRow, int count, float[] values, int offset) {
    long first = Math.multiplyExact(storedRow, (long) shape.columns());
    WeightDecoder.decode(type, stored.bytes(), first, count, values, offset);
  }

  /** Each stored row holds one column of this tensor; its run of {@code count} is scattered. */
  private void readColumns(long firstRow, int row, int count, float[] values, int offset) {
    int columns = shape.columns();
    float[] run = new float[count];
    for (int column = 0; column < columns; column++) {
      long first = Math.multiplyExact(firstRow + column, (long) shape.rows()) + row;
      WeightDecoder.decode(type, stored.bytes(), first, count, run, 0);
      for (int i = 0; i < count; i++) {
        values[offset + i * columns + column] = run[i];
      }
    }
  }

  /** The largest exponent tells: NaN and infinity have all its bits. */
  private static boolean isFinite(float[] values, int offset, int count) {
    int exponent = 0;
    for (int i = offset; i < offset + count; i++) {
      exponent = Math.max(exponent, Float.floatToRawIntBits(values[i]) & 0x7F80_0000);
    }
    return exponent != 0x7F80_0000;
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
