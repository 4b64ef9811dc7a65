package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import java.lang.foreign.MemorySegment;

/** A matrix by one token in machine code: the order of the work, and what each call is given. */
final class AssembledProducts {
  /** Bytes of weights that one call reads: well below a millisecond. */
  private static final long CALL_BYTES = 2L << 20;

  private static final int BLOCK_COLUMNS = ActivationDigits.BLOCK_COLUMNS;
  private static final int PANEL_ROWS = 16;

  private AssembledProducts() {}

  /** One token; the arguments are those of {@link Kernels#multiply}, checked. */
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
    int columns = matrix.shape().columns();
    int blocks = matrix.encoding().blockCount(columns);
    long records = scratch.kept.records(matrix.encoding(), code, digits, x, columns);
    scratch.setParameter(AssembledDot.BLOCKS, blocks);
    scratch.setParameter(AssembledDot.RECORDS, records);
    multiplyPanels(code.dots().get(digits), matrix, y, yOffset, panelStart, panelEnd, scratch);
  }

  /** One token and a matrix in {@code f32} or {@code bf16}, likewise. */
  static void multiplyDense(
      AssembledCode.Dots dots,
      EncodedTensor matrix,
      TokenActivations x,
      FloatArray y,
      int yOffset,
      int panelStart,
      int panelEnd) {
    AssembledScratch scratch = AssembledScratch.ofThread();
    Encoding encoding = matrix.encoding();
    int columns = matrix.shape().columns();
    int count = encoding.blockCount(columns) * encoding.columnsPerBlock();
    long activations = scratch.kept.floats(encoding, x, columns, count);
    scratch.setParameter(AssembledDot.RECORDS, activations);
    scratch.setParameter(AssembledDense.X_END, activations + (long) count * Float.BYTES);
    multiplyPanels(dots, matrix, y, yOffset, panelStart, panelEnd, scratch);
  }

  private static void multiplyPanels(
      AssembledCode.Dots dots,
      EncodedTensor matrix,
      FloatArray y,
      int yOffset,
      int panelStart,
      int panelEnd,
      AssembledScratch scratch) {
    int rows = matrix.shape().rows();
    int columns = matrix.shape().columns();
    long panelBytes = matrix.encoding().panelBytes(columns);
    MemorySegment array = y.segment();
    scratch.setParameter(AssembledDot.PANEL_BYTES, panelBytes);
    scratch.setParameter(AssembledDot.CODES_OFFSET, matrix.encoding().codesOffsetBytes(columns));
    // Whole rounds of all streams, so that only the last call leaves panels over.
    int rounds = (int) Math.max(1, CALL_BYTES / (panelBytes * dots.streams()));
    int callPanels = rounds * dots.streams();
    for (int start = panelStart; start < panelEnd; start += callPanels) {
      int end = Math.min(panelEnd, start + callPanels);
      // Whole panels side by side; what is left, and a panel with rows that do not exist, one by
      // one.
      int whole = Math.min(end, rows / PANEL_ROWS) - start;
      int perStream = Math.max(0, whole) / dots.streams();
      long first = matrix.bytes().address() + start * panelBytes;
      long y0 = (yOffset + (long) start * PANEL_ROWS) * Float.BYTES;
      if (perStream > 0) {
        setPanels(scratch, first, perStream, panelBytes, y0, 0xFFFF);
        dots.allStreams().run(scratch.parameters, array);
      }
      int done = perStream * dots.streams();
      for (int panel = start + done; panel < end; panel++) {
        int count = Math.min(PANEL_ROWS, rows - panel * PANEL_ROWS);
        long skipped = (long) panel - start;
        setPanels(
            scratch,
            first + skipped * panelBytes,
            1,
            panelBytes,
            y0 + skipped * PANEL_ROWS * Float.BYTES,
            (1 << count) - 1);
        dots.oneStream().run(scratch.parameters, array);
      }
    }
  }

  private static void setPanels(
      AssembledScratch scratch,
      long address,
      int panels,
      long panelBytes,
      long yOffsetBytes,
      int rowMask) {
    long streamBytes = panels * panelBytes;
    scratch.setParameter(AssembledDot.PANEL, address);
    scratch.setParameter(AssembledDot.PANEL_END, address + streamBytes);
    scratch.setParameter(AssembledDot.STREAM_BYTES, streamBytes);
    scratch.setParameter(AssembledDot.Y_OFFSET, yOffsetBytes);
    scratch.setParameter(AssembledDot.Y_STREAM_BYTES, (long) panels * PANEL_ROWS * Float.BYTES);
    scratch.setParameter(AssembledDot.ROW_MASK, rowMask);
  }

  /** Makes the records of one token's activations. */
  static void round(
      AssembledCode code,
      ActivationDigits digits,
      float[] x,
      int xOffset,
      int columns,
      long records,
      AssembledScratch scratch) {
    int blocks = Math.ceilDiv(columns, BLOCK_COLUMNS);
    MemorySegment activations = scratch.activations(x, xOffset, columns, blocks * BLOCK_COLUMNS);
    scratch.setParameter(AssembledRounding.X, activations.address());
    scratch.setParameter(AssembledRounding.RECORDS, records);
    scratch.setParameter(AssembledRounding.BLOCKS, blocks);
    scratch.setParameter(AssembledRounding.ORDER, code.order().address());
    scratch.setParameter(AssembledRounding.MINUS_MIDDLE, -code.middle());
    code.roundings().get(digits).run(scratch.parameters, activations);
  }
}
