package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisPanel;
import bora.formats.model.TensorShape;
import bora.runtime.machine.MachineCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;

/** A matrix in a trellis encoding by one token in machine code, a panel of 64 rows at a time. */
final class AssembledTrellisProducts {
  private static final MachineCode[] OF_ENCODING = new MachineCode[Encoding.values().length];

  private AssembledTrellisProducts() {}

  /**
   * The code for an encoding, assembled and tested at the first call.
   *
   * @throws IllegalStateException when it does not compute what it should
   */
  static MachineCode code(Encoding encoding) {
    MachineCode code = OF_ENCODING[encoding.ordinal()];
    return code != null ? code : make(encoding);
  }

  private static synchronized MachineCode make(Encoding encoding) {
    if (OF_ENCODING[encoding.ordinal()] == null) {
      MachineCode code = AssembledTrellis.of(encoding);
      test(encoding, code);
      OF_ENCODING[encoding.ordinal()] = code;
    }
    return OF_ENCODING[encoding.ordinal()];
  }

  /** The arguments are those of {@link Kernels#multiply}, checked. */
  static void multiply(
      MachineCode code,
      EncodedTensor matrix,
      float[] x,
      int xOffset,
      float[] y,
      int yOffset,
      int panelStart,
      int panelEnd) {
    AssembledScratch scratch = AssembledScratch.ofThread();
    Encoding encoding = matrix.encoding();
    int columns = matrix.shape().columns();
    int blocks = encoding.blockCount(columns);
    MemorySegment activations =
        scratch.activations(x, xOffset, columns, blocks * TrellisPanel.COLUMNS_PER_BLOCK);
    scratch.setParameter(AssembledTrellis.RUNS, blocks / AssembledTrellis.RUN_BLOCKS);
    scratch.setParameter(AssembledTrellis.LAST_BLOCKS, blocks % AssembledTrellis.RUN_BLOCKS);
    scratch.setParameter(AssembledTrellis.X, activations.address());
    for (int panel = panelStart; panel < panelEnd; panel++) {
      long offset = panel * encoding.panelBytes(columns);
      scratch.setParameter(
          AssembledTrellis.CODES,
          matrix.bytes().address() + offset + encoding.codesOffsetBytes(columns));
      scratch.setParameter(
          AssembledTrellis.STATE_MASK, (1 << TrellisPanel.stateBits(matrix.bytes(), offset)) - 1);
      code.run(scratch.parameters, scratch.trellisSums);
      int firstRow = panel * TrellisPanel.ROWS;
      int rows = Math.min(TrellisPanel.ROWS, matrix.shape().rows() - firstRow);
      for (int row = 0; row < rows; row++) {
        int place =
            row % TrellisPanel.ROWS_PER_LANE * TrellisPanel.LANES
                + row / TrellisPanel.ROWS_PER_LANE;
        float sum = scratch.trellisSums.getAtIndex(ValueLayout.JAVA_FLOAT, place);
        y[yOffset + firstRow + row] =
            sum * AssembledTrellis.SCALE * TrellisPanel.rowScale(matrix.bytes(), offset, row);
      }
    }
  }

  /** Holds code against the sums that {@link TrellisKernels} take, of the decoder's values. */
  private static void test(Encoding encoding, MachineCode code) {
    int runColumns = TrellisFields.COLUMNS;
    TensorShape shape = TensorShape.matrix(TrellisPanel.ROWS, runColumns + 5);
    SplittableRandom random = new SplittableRandom(1);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(encoding.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
      float[] rowScales = new float[TrellisPanel.ROWS];
      Arrays.fill(rowScales, 1);
      TrellisPanel.writeHeader(bytes, rowScales, encoding.codeBits() + 5);
      float[] x = new float[shape.columns()];
      int[] symbols = new int[TrellisPanel.ROWS];
      for (int column = 0; column < x.length; column++) {
        x[column] = (float) random.nextDouble() - 0.5f;
        Arrays.setAll(symbols, _ -> random.nextInt(1 << encoding.codeBits()));
        TrellisPanel.packColumn(encoding, bytes, column, symbols);
      }
      EncodedTensor matrix = new EncodedTensor(encoding, shape, bytes);
      float[] y = new float[TrellisPanel.ROWS];
      multiply(code, matrix, x, 0, y, 0, 0, 1);
      // Every seventh row: all places in a lane, the first lane, whose neighbour is the last.
      for (int row = 0; row < y.length; row += 7) {
        float first = 0;
        float second = 0;
        for (int column = 0; column < x.length; column++) {
          float weight = encoding.decoder().valueAt(bytes, x.length, row, column);
          if (column < runColumns) {
            first = Math.fma(weight, x[column], first);
          } else {
            second = Math.fma(weight, x[column], second);
          }
        }
        AssembledSelfTest.check(encoding, first + second, y[row]);
      }
    }
  }
}
