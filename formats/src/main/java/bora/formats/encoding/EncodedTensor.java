package bora.formats.encoding;

import bora.formats.model.TensorShape;
import java.lang.foreign.MemorySegment;

/**
 * A tensor as it stands in a pack.
 *
 * @param bytes exactly {@link Encoding#encodedBytes}; whoever mapped it closes it
 */
public record EncodedTensor(Encoding encoding, TensorShape shape, MemorySegment bytes) {
  /**
   * @throws IllegalArgumentException when the byte count is not what encoding and shape ask for
   */
  public EncodedTensor {
    long expectedBytes = encoding.encodedBytes(shape);
    if (bytes.byteSize() != expectedBytes) {
      throw new IllegalArgumentException(
          encoding.jsonName()
              + " "
              + shape
              + ": expected "
              + expectedBytes
              + " bytes, found "
              + bytes.byteSize());
    }
  }

  /** The bytes of one panel of a matrix. */
  public MemorySegment panel(int panelIndex) {
    long panelBytes = encoding.panelBytes(shape.columns());
    return bytes.asSlice(panelIndex * panelBytes, panelBytes);
  }

  /**
   * Decodes one row of a matrix by the scalar definition, or the vector itself.
   *
   * @param row 0 for a vector
   * @param values receives {@code shape.columns()} values from {@code offset}
   */
  public void decodeRow(int row, float[] values, int offset) {
    if (shape.isVector()) {
      decodeVector(values, offset);
      return;
    }
    MemorySegment panel = panel(row / encoding.rowsPerPanel());
    int lane = row % encoding.rowsPerPanel();
    encoding.decoder().decodeRow(panel, shape.columns(), lane, values, offset);
  }

  /**
   * The distance between the levels that a weight's place allows, as its scales give it; 0 in a row
   * of zeros.
   *
   * @throws IllegalArgumentException when the encoding is no scaled grid
   */
  public float step(int row, int column) {
    if (!encoding.isScalar()) {
      throw new IllegalArgumentException(encoding.jsonName() + " has no steps");
    }
    MemorySegment panel = panel(row / encoding.rowsPerPanel());
    int lane = row % encoding.rowsPerPanel();
    int block = column / encoding.columnsPerBlock();
    return ScalarGrid.step(
        ScalarGrid.rowScale(panel, lane), ScalarGrid.subScaleIndex(panel, lane, block));
  }

  private void decodeVector(float[] values, int offset) {
    for (int i = 0; i < shape.columns(); i++) {
      values[offset + i] =
          encoding == Encoding.F32
              ? bytes.get(LittleEndian.FLOAT, 4L * i)
              : BFloat16.toFloat(bytes.get(LittleEndian.SHORT, 2L * i));
    }
  }
}
