package bora.runtime.kernel;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisPanel;
import bora.formats.model.TensorShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/** Valid encoded matrices made without a quantizer: random codes and scales, put in place. */
final class RandomMatrix {
  /** What the codes and scales are like. */
  enum Content {
    RANDOM,
    LOWEST_CODES,
    HIGHEST_CODES,
    /** The smallest and the largest codes, row scales and sub-scales, at random. */
    EXTREMES
  }

  private final Encoding encoding;
  private final TensorShape shape;
  private final Content content;
  private final Random random;

  private RandomMatrix(Encoding encoding, TensorShape shape, Content content, long seed) {
    this.encoding = encoding;
    this.shape = shape;
    this.content = content;
    random = new Random(seed);
  }

  static EncodedTensor of(
      Arena arena, Encoding encoding, int rows, int columns, Content content, long seed) {
    TensorShape shape = TensorShape.matrix(rows, columns);
    // Mapped packs give page-aligned tensors, but no kernel may rely on more than this.
    MemorySegment bytes = arena.allocate(encoding.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
    EncodedTensor matrix = new EncodedTensor(encoding, shape, bytes);
    RandomMatrix filler = new RandomMatrix(encoding, shape, content, seed);
    for (int panel = 0; panel < encoding.panelCount(rows); panel++) {
      int lanes = Math.min(encoding.rowsPerPanel(), rows - panel * encoding.rowsPerPanel());
      if (encoding.isTrellis()) {
        filler.fillTrellis(matrix.panel(panel), lanes);
      } else if (encoding.isScalar()) {
        filler.fillScalar(matrix.panel(panel), lanes);
      } else {
        filler.fillDense(matrix.panel(panel), lanes);
      }
    }
    return matrix;
  }

  private void fillDense(MemorySegment panel, int lanes) {
    for (int column = 0; column < shape.columns(); column++) {
      for (int lane = 0; lane < lanes; lane++) {
        float value = (float) random.nextGaussian() * (content == Content.EXTREMES ? 1e30f : 1);
        if (encoding == Encoding.F32) {
          panel.set(LittleEndian.FLOAT, column * 64L + lane * 4L, value);
        } else {
          panel.set(
              LittleEndian.SHORT,
              column / 2 * 64L + lane * 4L + column % 2 * 2L,
              BFloat16.fromFloat(value));
        }
      }
    }
  }

  private void fillScalar(MemorySegment panel, int lanes) {
    for (int lane = 0; lane < lanes; lane++) {
      panel.set(LittleEndian.SHORT, ScalarGrid.rowScaleOffsetBytes(lane), nextRowScale());
    }
    int blocks = encoding.blockCount(shape.columns());
    byte[] codes = new byte[ScalarGrid.COLUMNS_PER_BLOCK * ScalarGrid.LANES];
    for (int block = 0; block < blocks; block++) {
      long indices = 0;
      for (int lane = 0; lane < lanes; lane++) {
        indices |= (long) nextSubScaleIndex() << (4 * lane);
      }
      panel.set(LittleEndian.LONG, ScalarGrid.subScalesOffsetBytes(block), indices);
      int columnStart = block * ScalarGrid.COLUMNS_PER_BLOCK;
      for (int c = 0; c < ScalarGrid.COLUMNS_PER_BLOCK; c++) {
        for (int lane = 0; lane < ScalarGrid.LANES; lane++) {
          boolean exists = lane < lanes && columnStart + c < shape.columns();
          codes[c * ScalarGrid.LANES + lane] = exists ? (byte) nextCode() : 0;
        }
      }
      long offsetBytes =
          encoding.codesOffsetBytes(shape.columns()) + (long) block * encoding.blockBytes();
      ScalarCodes.packBlock(encoding, codes, panel, offsetBytes);
    }
  }

  private void fillTrellis(MemorySegment panel, int rows) {
    float[] rowScales = new float[TrellisPanel.ROWS];
    for (int row = 0; row < rows; row++) {
      rowScales[row] = BFloat16.toFloat(nextRowScale());
    }
    TrellisPanel.writeRowScales(panel, rowScales);
    int[] symbols = new int[TrellisPanel.ROWS];
    for (int column = 0; column < shape.columns(); column++) {
      for (int row = 0; row < TrellisPanel.ROWS; row++) {
        symbols[row] = nextCode();
      }
      TrellisPanel.packColumn(encoding, panel, column, symbols);
    }
  }

  private short nextRowScale() {
    if (random.nextInt(8) == 0) {
      return 0;
    }
    float scale =
        content == Content.EXTREMES
            ? (random.nextBoolean() ? ScalarGrid.MIN_ROW_SCALE : 0x1p100f)
            : 0.01f + random.nextFloat();
    return BFloat16.fromFloat(scale);
  }

  private int nextSubScaleIndex() {
    int last = ScalarGrid.SUB_SCALE_COUNT - 1;
    return content == Content.EXTREMES
        ? (random.nextBoolean() ? last : 0)
        : random.nextInt(ScalarGrid.SUB_SCALE_COUNT);
  }

  private int nextCode() {
    int highest = (1 << encoding.codeBits()) - 1;
    return switch (content) {
      case RANDOM -> random.nextInt(highest + 1);
      case LOWEST_CODES -> 0;
      case HIGHEST_CODES -> highest;
      case EXTREMES -> random.nextBoolean() ? highest : 0;
    };
  }
}
