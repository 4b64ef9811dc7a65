package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.MEMORY;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.TrellisCode;
import bora.formats.encoding.TrellisPanel;

/**
 * {@code t1} to {@code t5}: values are decoded without the rows' scales, which the sums are
 * multiplied by in the end. Where {@link TrellisKernels} do not decode an encoding, a table has the
 * value of every state, and eight rows' states are taken from one word.
 */
final class TrellisMatrix {
  private static final int ROWS_PER_WORD = 8;
  private static final int STATE_MASK = (1 << TrellisCode.STATE_BITS) - 1;

  private static final float[] T1 = valuesOf(Encoding.T1);
  private static final float[] T2 = valuesOf(Encoding.T2);
  private static final float[] T3 = valuesOf(Encoding.T3);
  private static final float[] T4 = valuesOf(Encoding.T4);
  private static final float[] T5 = valuesOf(Encoding.T5);

  private TrellisMatrix() {}

  private static float[] valuesOf(Encoding encoding) {
    TrellisCode code = TrellisCode.of(encoding);
    float[] values = new float[1 << TrellisCode.STATE_BITS];
    for (int state = 0; state < values.length; state++) {
      values[state] = code.value(state);
    }
    return values;
  }

  private static float[] values(Encoding encoding) {
    return switch (encoding) {
      case T1 -> T1;
      case T2 -> T2;
      case T3 -> T3;
      case T4 -> T4;
      case T5 -> T5;
      default -> throw new AssertionError(encoding);
    };
  }

  /**
   * Decodes columns of a panel, without the rows' scales.
   *
   * @param tile receives row {@code 16 p + l} of column {@code columnStart + c} at {@code p *
   *     panelFloats + 16 c + l}
   */
  static void decodeTile(
      EncodedTensor matrix,
      int panel,
      int columnStart,
      int columnCount,
      float[] tile,
      int panelFloats) {
    Encoding encoding = matrix.encoding();
    long address = address(matrix, panel) + TrellisPanel.columnOffsetBytes(encoding, columnStart);
    if (TrellisKernels.decodes(encoding)) {
      TrellisKernels.decode(encoding, address, columnCount, tile, panelFloats);
    } else {
      decodeByTable(encoding, address, columnCount, tile, panelFloats);
    }
  }

  private static void decodeByTable(
      Encoding encoding, long firstColumn, int columnCount, float[] tile, int panelFloats) {
    int bits = encoding.codeBits();
    float[] values = values(encoding);
    long address = firstColumn;
    for (int c = 0; c < columnCount; c++, address += TrellisPanel.columnBytes(encoding)) {
      for (int row = 0; row < TrellisPanel.ROWS; row += ROWS_PER_WORD) {
        int word = bits * row / Long.SIZE;
        int bit = bits * row % Long.SIZE;
        int nextWord = word + 1 < bits ? word + 1 : 0;
        long states = MEMORY.get(LittleEndian.LONG, address + (long) Long.BYTES * word) >>> bit;
        long above = MEMORY.get(LittleEndian.LONG, address + (long) Long.BYTES * nextWord);
        // Two shifts, for one by all 64 bits would be one by none.
        states |= above << 1 << (Long.SIZE - 1 - bit);
        int t = row / Lanes.PANEL_ROWS * panelFloats + 16 * c + row % Lanes.PANEL_ROWS;
        decode8(states, bits, values, tile, t);
      }
    }
  }

  private static void decode8(long states, int bits, float[] values, float[] tile, int offset) {
    for (int i = 0; i < ROWS_PER_WORD; i++) {
      tile[offset + i] = values[(int) (states >>> (bits * i)) & STATE_MASK];
    }
  }

  /** Takes the sums of tokens to where they belong, times the rows' scales. */
  static void store(
      EncodedTensor matrix,
      int panel,
      float[] sums,
      int tokens,
      float[] y,
      int yOffset,
      int yStride) {
    long address = address(matrix, panel);
    int firstRow = panel * TrellisPanel.ROWS;
    int rows = Math.min(TrellisPanel.ROWS, matrix.shape().rows() - firstRow);
    for (int row = 0; row < rows; row++) {
      float scale = TrellisPanel.rowScale(MEMORY, address, row);
      for (int t = 0; t < tokens; t++) {
        y[yOffset + t * yStride + firstRow + row] = sums[t * TrellisPanel.ROWS + row] * scale;
      }
    }
  }

  private static long address(EncodedTensor matrix, int panel) {
    return matrix.bytes().address()
        + panel * matrix.encoding().panelBytes(matrix.shape().columns());
  }
}
