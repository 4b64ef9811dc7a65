package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.encoding.LittleEndian;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Objects;

/** One tensor of a checkpoint, read as float32 row by row. Safe for use by several threads. */
public final class SourceTensor {
  private final TensorKey key;
  private final TensorShape shape;
  private final DType dtype;
  private final Path file;
  private final String name;
  private final MemorySegment bytes;

  SourceTensor(TensorKey key, TensorShape shape, Path file, SafetensorsEntry entry) {
    this.key = key;
    this.shape = shape;
    this.dtype = entry.dtype();
    this.file = file;
    this.name = entry.name();
    this.bytes = entry.bytes();
  }

  public TensorKey key() {
    return key;
  }

  public TensorShape shape() {
    return shape;
  }

  /** F32, F16 or BF16. */
  public DType dtype() {
    return dtype;
  }

  /** Bytes in the checkpoint. */
  public long byteSize() {
    return bytes.byteSize();
  }

  /** Whether an entry has the very same values in the very same type. */
  boolean holds(SafetensorsEntry entry) {
    return entry.dtype() == dtype && entry.bytes().mismatch(bytes) < 0;
  }

  /** The file that holds the tensor. */
  public Path file() {
    return file;
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
    int columns = shape.columns();
    long first = (long) row * columns;
    int total = Math.multiplyExact(count, columns);
    Objects.checkFromIndexSize(offset, total, values.length);
    boolean finite =
        switch (dtype) {
          case F32 -> readFloat32(first, total, values, offset);
          case BF16 -> HalfFloats.readBFloat16(bytes, first * 2, total, values, offset);
          case F16 -> HalfFloats.readFloat16(bytes, first * 2, total, values, offset);
          default -> throw new IllegalStateException(dtype + " is no type of weights");
        };
    if (!finite) {
      throw notFinite(row, total, values, offset);
    }
  }

  /**
   * Reads one row of bf16 as it is, two columns a word, the even one in the lower half.
   *
   * @param words receives {@code shape.columns() / 2} words from {@code offset}
   * @throws CorruptFileException when a value is NaN or infinite, saying where
   * @throws IllegalStateException when the dtype is not bf16 or the number of columns is odd
   */
  public void readBFloat16Pairs(int row, int[] words, int offset) throws CorruptFileException {
    int columns = shape.columns();
    Objects.checkIndex(row, shape.rows());
    if (dtype != DType.BF16 || columns % 2 != 0) {
      throw new IllegalStateException(key + ": " + dtype + " " + shape + " has no pairs of bf16");
    }
    long startBytes = (long) row * columns * Short.BYTES;
    if (!HalfFloats.readBFloat16Pairs(bytes, startBytes, columns / 2, words, offset)) {
      readRows(row, 1, new float[columns], 0);
    }
  }

  private boolean readFloat32(long first, int total, float[] values, int offset) {
    MemorySegment.copy(bytes, LittleEndian.FLOAT, first * 4, values, offset, total);
    int exponent = 0;
    for (int i = offset; i < offset + total; i++) {
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
        file,
        "tensor `"
            + name
            + "`: expected finite weights, found "
            + values[offset + bad]
            + " at row "
            + (row + bad / shape.columns())
            + ", column "
            + bad % shape.columns()
            + "; the checkpoint is damaged or its training diverged");
  }
}
