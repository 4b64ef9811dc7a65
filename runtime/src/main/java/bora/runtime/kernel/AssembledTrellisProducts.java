package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisPanel;
import bora.runtime.machine.MachineCode;
import java.lang.foreign.MemorySegment;

/** A matrix in a trellis encoding by one token in machine code, a panel of 64 rows at a time. */
final class AssembledTrellisProducts {
  private AssembledTrellisProducts() {}

  /** The arguments are those of {@link Kernels#multiply}, checked. */
  static void multiply(
      AssembledCode code,
      ActivationDigits digits,
      EncodedTensor matrix,
      TokenActivations x,
      FloatArray y,
      int yOffset,
      int panelStart,
      int panelEnd) {
    AssembledScratch scratch = AssembledScratch.ofThread();
    Encoding encoding = matrix.encoding();
    int columns = matrix.shape().columns();
    long panelBytes = encoding.panelBytes(columns);
    long records = scratch.kept.records(encoding, code, digits, x, columns);

    MemorySegment array = y.segment();
    MachineCode dot = code.dots().get(digits).oneStream();
    int lastColumns = columns % ActivationDigits.BLOCK_COLUMNS;
    scratch.setParameter(AssembledTrellis.BLOCKS, columns / ActivationDigits.BLOCK_COLUMNS);
    scratch.setParameter(
        AssembledTrellis.LAST_GROUPS, Math.ceilDiv(lastColumns, TrellisLevels.COLUMNS));
    scratch.setParameter(AssembledTrellis.RECORDS, records);
    for (int panel = panelStart; panel < panelEnd; panel++) {
      int firstRow = panel * TrellisPanel.ROWS;
      scratch.setParameter(AssembledTrellis.PANEL, matrix.bytes().address() + panel * panelBytes);
      scratch.setParameter(AssembledTrellis.Y_OFFSET, (yOffset + (long) firstRow) * Float.BYTES);
      for (int v = 0; v < TrellisLevels.VECTORS; v++) {
        int rows = matrix.shape().rows() - firstRow - v * ScalarGrid.LANES;
        scratch.setParameter(
            AssembledTrellis.ROW_MASKS + Long.BYTES * v, AssembledTokens.rowMask(rows));
      }
      dot.run(scratch.parameters, array);
    }
  }
}
