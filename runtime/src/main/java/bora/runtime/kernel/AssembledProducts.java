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
    // Each stream a part of the whole panels, of which every call does some; what is left, and a
    // panel with rows that do not exist, one by one.
    int whole = Math.max(0, Math.min(panelEnd, rows / PANEL_ROWS) - panelStart);
    int perStream = whole / dots.streams();
    int callPanels = (int) Math.max(1, CALL_BYTES / (panelBytes * dots.streams()));
    setStreams(scratch, perStream, panelBytes);
    for (int done = 0; done < perStream; done += callPanels) {
      int count = Math.min(callPanels, perStream - done);
      setPanels(scratch, matrix, panelStart + done, count, yOffset, 0xFFFF);
      dots.allStreams().run(scratch.parameters, array);
    }
    for (int panel = panelStart + perStream * dots.streams(); panel < panelEnd; panel++) {
      int existing = Math.min(PANEL_ROWS, rows - panel * PANEL_ROWS);
      setPanels(scratch, matrix, panel, 1, yOffset, (1 << existing) - 1);
      dots.oneStream().run(scratch.parameters, array);
    }
  }

  private static void setStreams(AssembledScratch scratch, int panels, long panelBytes) {
    scratch.setParameter(AssembledDot.STREAM_BYTES, panels * panelBytes);
    scratch.setParameter(AssembledDot.Y_STREAM_BYTES, (long) panels * PANEL_ROWS * Float.BYTES);
  }

  /** Sets what a call does of the first stream. */
  private static void setPanels(
      AssembledScratch scratch,
      EncodedTensor matrix,
      int firstPanel,
      int panels,
      int yOffset,
      int rowMask) {
    long panelBytes = scratch.parameter(AssembledDot.PANEL_BYTES);
    long address = matrix.bytes().address() + firstPanel * panelBytes;
    scratch.setParameter(AssembledDot.PANEL, address);
    scratch.setParameter(AssembledDot.PANEL_END, address + panels * panelBytes);
    long firstRow = (long) firstPanel * PANEL_ROWS;
    scratch.setParameter(AssembledDot.Y_OFFSET, (yOffset + firstRow) * Float.BYTES);
    scratch.setParameter(AssembledDot.ROW_MASK, rowMask);
  }

  /** Makes the records of one token's activations. */
  static void round(
      AssembledCode code,
      ActivationDigits digits,
      TokenActivations x,
      int token,
      int columns,
      long records,
      AssembledScratch scratch) {
    int blocks = Math.ceilDiv(columns, BLOCK_COLUMNS);
    boolean isWhole = columns % BLOCK_COLUMNS == 0;
    MemorySegment array =
        isWhole
            ? x.array().segment()
            : scratch.activations(x.values(), x.offset(token), columns, blocks * BLOCK_COLUMNS);
    scratch.setParameter(
        AssembledRounding.X_OFFSET, isWhole ? (long) x.offset(token) * Float.BYTES : 0);
    scratch.setParameter(AssembledRounding.RECORDS, records);
    scratch.setParameter(AssembledRounding.BLOCKS, blocks);
    scratch.setParameter(AssembledRounding.ORDER, code.order().address());
    scratch.setParameter(AssembledRounding.MINUS_MIDDLE, -code.middle());
    code.roundings().get(digits).run(scratch.parameters, array);
  }
}
