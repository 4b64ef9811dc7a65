package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisPanel;
import java.lang.foreign.MemorySegment;

/**
 * A matrix by some tokens in machine code, their activations rounded to one digit: the order of the
 * work, and what each call is given. Each thread has one, so that no call makes an object.
 */
final class AssembledTokens {
  private static final int TILE_ROWS = AssembledTile.PANELS * ScalarGrid.LANES;
  private static final int TILE_BLOCKS = AssembledTile.MAX_BLOCKS;

  /** A slab of columns is done for all rows before the next: so the records stay in the cache. */
  private static final int SLAB_BLOCKS = 4 * TILE_BLOCKS;

  private static final int BATCH_TOKENS = 510;

  private final AssembledScratch scratch;

  private AssembledCode code;
  private EncodedTensor matrix;
  private long records;
  private long recordStride;
  private int tokens;
  private MemorySegment array;
  private long yOffsetBytes;
  private long yStrideBytes;

  AssembledTokens(AssembledScratch scratch) {
    this.scratch = scratch;
  }

  /** The arguments are those of {@link Kernels#multiply}, checked. */
  void multiply(
      AssembledCode code,
      EncodedTensor matrix,
      TokenActivations x,
      FloatArray y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd) {
    this.code = code;
    this.matrix = matrix;
    int columns = matrix.shape().columns();
    int blocks = Math.ceilDiv(columns, ActivationDigits.BLOCK_COLUMNS);
    // No power of two from one token to the next, for the caches.
    recordStride = (long) blocks * ActivationDigits.ONE.recordBytes() + 64;
    records = scratch.records(recordStride * Math.min(x.tokens(), BATCH_TOKENS)).address();
    array = y.segment();
    yStrideBytes = (long) yStride * Float.BYTES;
    for (int start = 0; start < x.tokens(); start += BATCH_TOKENS) {
      this.tokens = Math.min(BATCH_TOKENS, x.tokens() - start);
      yOffsetBytes = (long) yOffset * Float.BYTES + start * yStrideBytes;
      for (int t = 0; t < this.tokens; t++) {
        long record = records + t * recordStride;
        AssembledProducts.round(code, ActivationDigits.ONE, x, start + t, columns, record, scratch);
      }
      multiplyPanels(panelStart, panelEnd, blocks);
    }
    this.matrix = null;
  }

  private void multiplyPanels(int panelStart, int panelEnd, int blocks) {
    Encoding encoding = matrix.encoding();
    int rows = encoding.rowsPerPanel();
    int step = Math.max(1, TILE_ROWS / rows);
    int rowEnd = Math.min(matrix.shape().rows(), panelEnd * rows);
    for (int slab = 0; slab < blocks; slab += SLAB_BLOCKS) {
      int slabEnd = Math.min(blocks, slab + SLAB_BLOCKS);
      for (int panel = panelStart; panel < panelEnd; panel += step) {
        for (int block = slab; block < slabEnd; block += TILE_BLOCKS) {
          int count = Math.min(TILE_BLOCKS, slabEnd - block);
          if (encoding.isTrellis()) {
            unpackTrellis(panel, block, count);
          } else {
            unpack(panel, 0, block, count);
            // A panel that is not there is the first once more, and nothing of it is kept.
            unpack(Math.min(panel + 1, panelEnd - 1), 1, block, count);
          }
          int tileEnd = Math.min(rowEnd, (panel + step) * rows);
          for (int row = panel * rows, tile = 0; row < tileEnd; row += TILE_ROWS, tile++) {
            addTile(tile, row, rowEnd, block, count);
          }
        }
      }
    }
  }

  private void addTile(int tile, int row, int rowEnd, int block, int blocks) {
    long steps = scratch.steps.address() + (long) tile * AssembledTile.STEPS_BYTES;
    scratch.setParameter(
        AssembledTile.TILE, scratch.tiles.address() + (long) tile * AssembledTile.TILE_BYTES);
    scratch.setParameter(AssembledTile.STEPS, steps);
    scratch.setParameter(
        AssembledTile.STEPS_END, steps + (long) blocks * AssembledUnpacking.STEPS_BYTES);
    scratch.setParameter(AssembledTile.RECORDS_STRIDE, recordStride);
    scratch.setParameter(AssembledTile.Y_STRIDE, yStrideBytes);
    for (int i = 0; i < AssembledTile.PANELS; i++) {
      int mask = rowMask(rowEnd - row - i * ScalarGrid.LANES);
      scratch.setParameter(AssembledTile.ROW_MASKS + Long.BYTES * i, mask);
      scratch.setParameter(AssembledTile.ADDED_MASKS + Long.BYTES * i, block == 0 ? 0 : mask);
    }
    long record = records + (long) block * ActivationDigits.ONE.recordBytes();
    long y0 = yOffsetBytes + (long) row * Float.BYTES;
    int whole = tokens - tokens % AssembledTile.MAX_TOKENS;
    multiplyTile(record, y0, 0, whole, AssembledTile.MAX_TOKENS);
    multiplyTile(record, y0, whole, tokens, tokens - whole);
  }

  /** A bit for each lane of a vector of which so many rows, or more, are left. */
  static int rowMask(int rows) {
    return (1 << Math.clamp(rows, 0, ScalarGrid.LANES)) - 1;
  }

  private void multiplyTile(long record, long y0, int start, int end, int atOnce) {
    if (start == end) {
      return;
    }
    scratch.setParameter(AssembledTile.RECORDS, record + start * recordStride);
    scratch.setParameter(AssembledTile.RECORDS_END, record + end * recordStride);
    scratch.setParameter(AssembledTile.Y_OFFSET, y0 + start * yStrideBytes);
    code.tiles()[atOnce - 1].run(scratch.parameters, array);
  }

  private void unpack(int panel, int slot, int block, int blocks) {
    Encoding encoding = matrix.encoding();
    int columns = matrix.shape().columns();
    long address = matrix.bytes().address() + panel * encoding.panelBytes(columns);
    long codes =
        address + encoding.codesOffsetBytes(columns) + (long) block * encoding.blockBytes();
    scratch.setParameter(AssembledUnpacking.PANEL, address);
    scratch.setParameter(AssembledUnpacking.SCALES, address + (long) block * Long.BYTES);
    scratch.setParameter(AssembledUnpacking.CODES, codes);
    scratch.setParameter(AssembledUnpacking.BLOCKS, blocks);
    scratch.setParameter(
        AssembledUnpacking.TILE,
        scratch.tiles.address() + (long) slot * AssembledTile.PANEL_TILE_BYTES);
    scratch.setParameter(AssembledUnpacking.STEPS, scratch.steps.address() + 64L * slot);
    code.unpacking().run(scratch.parameters, scratch.tiles);
  }

  private void unpackTrellis(int panel, int block, int blocks) {
    Encoding encoding = matrix.encoding();
    int columns = matrix.shape().columns();
    int start = block * ActivationDigits.BLOCK_COLUMNS;
    int end = Math.min(columns, start + blocks * ActivationDigits.BLOCK_COLUMNS);
    long address = matrix.bytes().address() + panel * encoding.panelBytes(columns);
    scratch.setParameter(AssembledTrellisUnpacking.PANEL, address);
    scratch.setParameter(
        AssembledTrellisUnpacking.CODES, address + TrellisPanel.columnOffsetBytes(encoding, start));
    scratch.setParameter(
        AssembledTrellisUnpacking.GROUPS, Math.ceilDiv(end - start, TrellisLevels.COLUMNS));
    scratch.setParameter(AssembledTrellisUnpacking.TILE, scratch.tiles.address());
    scratch.setParameter(AssembledTrellisUnpacking.SCALES, scratch.steps.address());
    code.unpacking().run(scratch.parameters, scratch.tiles);
  }
}
