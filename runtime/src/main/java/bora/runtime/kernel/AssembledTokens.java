package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import java.lang.foreign.MemorySegment;

/**
 * A matrix by some tokens in machine code, their activations rounded to one digit: the order of the
 * work, and what each call is given. Each thread has one, so that no call makes an object.
 */
final class AssembledTokens {
  private static final int PANEL_ROWS = 16;
  private static final int TILE_PANELS = 2;
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
      float[] x,
      int xOffset,
      int xStride,
      int tokens,
      float[] y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd) {
    this.code = code;
    this.matrix = matrix;
    int columns = matrix.shape().columns();
    int blocks = matrix.encoding().blockCount(columns);
    // No power of two from one token to the next, for the caches.
    recordStride = (long) blocks * ActivationDigits.ONE.recordBytes() + 64;
    records = scratch.records(recordStride * Math.min(tokens, BATCH_TOKENS)).address();
    array = scratch.wrap(y);
    yStrideBytes = (long) yStride * Float.BYTES;
    for (int start = 0; start < tokens; start += BATCH_TOKENS) {
      this.tokens = Math.min(BATCH_TOKENS, tokens - start);
      yOffsetBytes = (long) yOffset * Float.BYTES + start * yStrideBytes;
      for (int t = 0; t < this.tokens; t++) {
        int x0 = xOffset + (start + t) * xStride;
        long record = records + t * recordStride;
        AssembledProducts.round(code, ActivationDigits.ONE, x, x0, columns, record, scratch);
      }
      multiplyPanels(panelStart, panelEnd, blocks);
    }
    this.matrix = null;
  }

  private void multiplyPanels(int panelStart, int panelEnd, int blocks) {
    for (int slab = 0; slab < blocks; slab += SLAB_BLOCKS) {
      int slabEnd = Math.min(blocks, slab + SLAB_BLOCKS);
      for (int panel = panelStart; panel < panelEnd; panel += TILE_PANELS) {
        int panels = Math.min(TILE_PANELS, panelEnd - panel);
        for (int block = slab; block < slabEnd; block += TILE_BLOCKS) {
          addTile(panel, panels, block, Math.min(TILE_BLOCKS, slabEnd - block));
        }
      }
    }
  }

  private void addTile(int panel, int panels, int block, int blocks) {
    unpack(panel, 0, block, blocks);
    // A panel that is not there is the first once more, and nothing of it is kept.
    unpack(panel + panels - 1, 1, block, blocks);
    long steps = scratch.steps.address();
    scratch.setParameter(AssembledTile.TILE, scratch.tile.address());
    scratch.setParameter(AssembledTile.STEPS, steps);
    scratch.setParameter(
        AssembledTile.STEPS_END, steps + (long) blocks * AssembledUnpacking.STEPS_BYTES);
    scratch.setParameter(AssembledTile.RECORDS_STRIDE, recordStride);
    scratch.setParameter(AssembledTile.Y_STRIDE, yStrideBytes);
    for (int i = 0; i < TILE_PANELS; i++) {
      int row = (panel + i) * PANEL_ROWS;
      int rows = i < panels ? Math.min(PANEL_ROWS, matrix.shape().rows() - row) : 0;
      int mask = (1 << rows) - 1;
      scratch.setParameter(AssembledTile.ROW_MASKS + Long.BYTES * i, mask);
      scratch.setParameter(AssembledTile.ADDED_MASKS + Long.BYTES * i, block == 0 ? 0 : mask);
    }
    long record = records + (long) block * ActivationDigits.ONE.recordBytes();
    long y0 = yOffsetBytes + (long) panel * PANEL_ROWS * Float.BYTES;
    int whole = tokens - tokens % AssembledTile.MAX_TOKENS;
    multiplyTile(record, y0, 0, whole, AssembledTile.MAX_TOKENS);
    multiplyTile(record, y0, whole, tokens, tokens - whole);
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
        scratch.tile.address() + (long) slot * AssembledTile.PANEL_TILE_BYTES);
    scratch.setParameter(AssembledUnpacking.STEPS, scratch.steps.address() + 64L * slot);
    code.unpacking().run(scratch.parameters, scratch.tile);
  }
}
