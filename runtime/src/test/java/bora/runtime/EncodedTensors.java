package bora.runtime;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;
import bora.formats.model.TensorShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.random.RandomGenerator;

/** Makes encoded tensors without the quantizer, which this module must not see. */
final class EncodedTensors {
  private EncodedTensors() {}

  /**
   * Encodes values, row-major: exactly as f32, rounded as bf16. Of the others only the magnitude of
   * the values counts; their codes are random.
   */
  static EncodedTensor encode(
      Encoding encoding, TensorShape shape, float[] values, RandomGenerator random) {
    MemorySegment bytes = Arena.ofAuto().allocate(encoding.encodedBytes(shape), 64);
    EncodedTensor tensor = new EncodedTensor(encoding, shape, bytes);
    if (encoding.isScalar()) {
      fillScalar(tensor, values, random);
      return tensor;
    }
    if (encoding.isTrellis()) {
      fillTrellis(tensor, values, random);
      return tensor;
    }
    for (int row = 0; row < shape.rows(); row++) {
      for (int column = 0; column < shape.columns(); column++) {
        float value = values[row * shape.columns() + column];
        long offsetBytes = offsetBytes(encoding, shape, row, column);
        if (encoding == Encoding.F32) {
          bytes.set(LittleEndian.FLOAT, offsetBytes, value);
        } else {
          bytes.set(LittleEndian.SHORT, offsetBytes, BFloat16.fromFloat(value));
        }
      }
    }
    return tensor;
  }

  private static long offsetBytes(Encoding encoding, TensorShape shape, int row, int column) {
    if (shape.isVector()) {
      return (long) column * encoding.codeBits() / 8;
    }
    long panelOffsetBytes = row / 16 * encoding.panelBytes(shape.columns());
    int lane = row % 16;
    return encoding == Encoding.F32
        ? panelOffsetBytes + column * 64L + lane * 4L
        : panelOffsetBytes + column / 2 * 64L + lane * 4L + column % 2 * 2L;
  }

  private static void fillScalar(EncodedTensor tensor, float[] values, RandomGenerator random) {
    Encoding encoding = tensor.encoding();
    int columns = tensor.shape().columns();
    short rowScale = BFloat16.fromFloat(largest(values) / ScalarGrid.centre(encoding.codeBits()));
    byte[] codes = new byte[ScalarGrid.COLUMNS_PER_BLOCK * ScalarGrid.LANES];
    for (int p = 0; p < encoding.panelCount(tensor.shape().rows()); p++) {
      MemorySegment panel = tensor.panel(p);
      for (int lane = 0; lane < ScalarGrid.LANES; lane++) {
        panel.set(LittleEndian.SHORT, ScalarGrid.rowScaleOffsetBytes(lane), rowScale);
      }
      for (int block = 0; block < encoding.blockCount(columns); block++) {
        panel.set(LittleEndian.LONG, ScalarGrid.subScalesOffsetBytes(block), random.nextLong());
        for (int i = 0; i < codes.length; i++) {
          codes[i] = (byte) random.nextInt(1 << encoding.codeBits());
        }
        long offsetBytes =
            encoding.codesOffsetBytes(columns) + (long) block * encoding.blockBytes();
        ScalarCodes.packBlock(encoding, codes, panel, offsetBytes);
      }
    }
  }

  private static void fillTrellis(EncodedTensor tensor, float[] values, RandomGenerator random) {
    Encoding encoding = tensor.encoding();
    float[] rowScales = new float[TrellisPanel.ROWS];
    Arrays.fill(
        rowScales, BFloat16.toFloat(BFloat16.fromFloat(largest(values) / TrellisCode.CENTRE)));
    for (int p = 0; p < encoding.panelCount(tensor.shape().rows()); p++) {
      TrellisPanel.writeRowScales(tensor.panel(p), rowScales);
      for (int column = 0; column < tensor.shape().columns(); column++) {
        int[] symbols = random.ints(TrellisPanel.ROWS, 0, 1 << encoding.codeBits()).toArray();
        TrellisPanel.packColumn(encoding, tensor.panel(p), column, symbols);
      }
    }
  }

  private static float largest(float[] values) {
    float max = 0;
    for (float value : values) {
      max = Math.max(max, Math.abs(value));
    }
    return max;
  }
}
