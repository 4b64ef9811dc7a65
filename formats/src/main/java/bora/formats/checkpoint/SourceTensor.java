package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.encoding.BFloat16;
import bora.formats.encoding.LittleEndian;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Objects;

/** One tensor of a checkpoint, read as float32 row by row. Safe for use by several threads. */
public final class SourceTensor {
  private static final int CHUNK_ELEMENTS = 8192;

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
          case BF16 -> readHalves(first, total, values, offset, true);
          case F16 -> readHalves(first, total, values, offset, false);
          default -> throw new IllegalStateException(dtype + " is no type of weights");
        };
    if (!finite) {
      throw notFinite(row, total, values, offset);
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

  private boolean readHalves(
      long first, int total, float[] values, int offset, boolean brainFloat) {
    short[] chunk = new short[Math.min(total, CHUNK_ELEMENTS)];
    int infinite = brainFloat ? 0x7F80 : 0x7C00;
    int exponent = 0;
    for (int done = 0; done < total; done += chunk.length) {
      int length = Math.min(chunk.length, total - done);
      MemorySegment.copy(bytes, LittleEndian.SHORT, (first + done) * Short.BYTES, chunk, 0, length);
      for (int i = 0; i < length; i++) {
        exponent = Math.max(exponent, chunk[i] & infinite);
      }
      int target = offset + done;
      if (brainFloat) {
        for (int i = 0; i < length; i++) {
          values[target + i] = BFloat16.toFloat(chunk[i]);
        }
      } else {
        for (int i = 0; i < length; i++) {
          values[target + i] = Float.float16ToFloat(chunk[i]);
        }
      }
    }
    return exponent != infinite;
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
