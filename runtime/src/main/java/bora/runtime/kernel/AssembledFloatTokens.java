package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisPanel;
import bora.runtime.machine.MachineCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A matrix by some tokens in machine code, exactly decoded and with exact activations: the order of
 * the work, which is that of {@link MatrixByTokens} and gives the same bits, and what each call is
 * given.
 */
final class AssembledFloatTokens {
  private static final int PANEL_ROWS = ScalarGrid.LANES;
  private static final int TILE_ROWS = AssembledFloatTile.PANELS * PANEL_ROWS;
  private static final int TILE_COLUMNS = AssembledFloatTile.MAX_COLUMNS;
  private static final int MAX_TOKENS = AssembledFloatTile.MAX_TOKENS;
  private static final long TOKEN_BYTES = AssembledFloatTile.TOKEN_BYTES;

  /** Tokens that share the decoding of a tile; their activations of its columns stay in cache. */
  private static final int BLOCK_TOKENS = 256;

  /** Assembled and tested at the first use. */
  private static final AssembledFloatTokens[] OF_ENCODING =
      new AssembledFloatTokens[Encoding.values().length];

  /** For one token at once, two, and so on. */
  private static final MachineCode[] TILES = new MachineCode[MAX_TOKENS];

  private static final MemorySegment ONES =
      Arena.global().allocate(AssembledFloatTile.SCALES_BYTES, AssembledFloatTile.COLUMN_BYTES);

  static {
    Arrays.setAll(TILES, i -> AssembledFloatTile.of(i + 1));
    for (long i = 0; i < ONES.byteSize(); i += Float.BYTES) {
      ONES.set(ValueLayout.JAVA_FLOAT, i, 1);
    }
  }

  private final Encoding encoding;
  private final MachineCode decoding;

  private AssembledFloatTokens(Encoding encoding) {
    this.encoding = encoding;
    decoding =
        encoding.isTrellis()
            ? AssembledTrellisUnpacking.toFloats(encoding)
            : AssembledDecoding.of(encoding);
  }

  /**
   * For an encoding; the same at every call.
   *
   * @throws IllegalStateException when the code does not compute what it should
   */
  static AssembledFloatTokens tested(Encoding encoding) {
    AssembledFloatTokens tokens = OF_ENCODING[encoding.ordinal()];
    return tokens != null ? tokens : make(encoding);
  }

  private static synchronized AssembledFloatTokens make(Encoding encoding) {
    if (OF_ENCODING[encoding.ordinal()] == null) {
      AssembledFloatTokens tokens = new AssembledFloatTokens(encoding);
      AssembledFloatSelfTest.run(encoding, tokens);
      OF_ENCODING[encoding.ordinal()] = tokens;
    }
    return OF_ENCODING[encoding.ordinal()];
  }

  /** The arguments are those of {@link Kernels#multiply}, checked. */
  void multiply(
      EncodedTensor matrix,
      TokenActivations x,
      FloatArray y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd) {
    AssembledScratch scratch = AssembledScratch.ofThread();
    MemorySegment array = y.segment();
    int tokens = x.tokens();
    for (int start = 0; start < tokens; start += BLOCK_TOKENS) {
      int count = Math.min(BLOCK_TOKENS, tokens - start);
      long packed = pack(x, start, count, matrix.shape().columns(), scratch);
      long y0 = (yOffset + (long) start * yStride) * Float.BYTES;
      int panelsAtOnce = Math.max(1, TILE_ROWS / encoding.rowsPerPanel());
      for (int panel = panelStart; panel < panelEnd; panel += panelsAtOnce) {
        int end = Math.min(panelEnd, panel + panelsAtOnce);
        multiplyPanels(matrix, panel, end, packed, count, array, y0, yStride, scratch);
      }
    }
  }

  /** Gathers the activations by tiles: those of tile i, token t are the (i * tokens + t)-th. */
  private static long pack(
      TokenActivations x, int start, int tokens, int columns, AssembledScratch scratch) {
    int tiles = Math.ceilDiv(columns, TILE_COLUMNS);
    MemorySegment packed = scratch.records((long) tiles * tokens * TOKEN_BYTES);
    for (int tile = 0; tile < tiles; tile++) {
      int first = tile * TILE_COLUMNS;
      int count = Math.min(TILE_COLUMNS, columns - first);
      for (int t = 0; t < tokens; t++) {
        long to = ((long) tile * tokens + t) * TOKEN_BYTES;
        int from = x.offset(start + t) + first;
        MemorySegment.copy(x.values(), from, packed, ValueLayout.JAVA_FLOAT, to, count);
      }
    }
    return packed.address();
  }

  private void multiplyPanels(
      EncodedTensor matrix,
      int panel,
      int panelEnd,
      long packed,
      int tokens,
      MemorySegment array,
      long y0,
      int yStride,
      AssembledScratch scratch) {
    int columns = matrix.shape().columns();
    int rowStart = panel * encoding.rowsPerPanel();
    int rowEnd = Math.min(matrix.shape().rows(), panelEnd * encoding.rowsPerPanel());
    long yStrideBytes = (long) yStride * Float.BYTES;
    int whole = tokens - tokens % MAX_TOKENS;
    for (int column = 0; column < columns; column += TILE_COLUMNS) {
      int count = Math.min(TILE_COLUMNS, columns - column);
      boolean scaled = encoding.isTrellis() && column + count == columns;
      long x = packed + (long) column / TILE_COLUMNS * tokens * TOKEN_BYTES;
      long xRest = x + whole * TOKEN_BYTES;
      decode(matrix, panel, panelEnd, column, count, scratch);
      for (int row = rowStart, tile = 0; row < rowEnd; row += TILE_ROWS, tile++) {
        setTile(tile, rowEnd - row, column == 0, count, scaled, scratch);
        scratch.setParameter(AssembledFloatTile.Y_STRIDE, yStrideBytes);
        long y = y0 + (long) row * Float.BYTES;
        addTile(x, whole, MAX_TOKENS, array, y, scratch);
        addTile(xRest, tokens - whole, tokens - whole, array, y + whole * yStrideBytes, scratch);
      }
    }
  }

  private static void setTile(
      int tile, int rows, boolean first, int columns, boolean scaled, AssembledScratch scratch) {
    MemorySegment scales = scaled ? scratch.floatScales : ONES;
    scratch.setParameter(
        AssembledFloatTile.TILE,
        scratch.floatTiles.address() + (long) tile * AssembledFloatTile.TILE_BYTES);
    scratch.setParameter(
        AssembledFloatTile.SCALES,
        scales.address() + (scaled ? (long) tile * AssembledFloatTile.SCALES_BYTES : 0));
    scratch.setParameter(AssembledFloatTile.COLUMNS, columns);
    for (int i = 0; i < AssembledFloatTile.PANELS; i++) {
      int mask = AssembledTokens.rowMask(rows - i * PANEL_ROWS);
      int place = Long.BYTES * i;
      scratch.setParameter(AssembledFloatTile.ROW_MASKS + place, mask);
      scratch.setParameter(AssembledFloatTile.ADDED_MASKS + place, first ? 0 : mask);
    }
  }

  private static void addTile(
      long x, int tokens, int atOnce, MemorySegment array, long y, AssembledScratch scratch) {
    if (tokens > 0) {
      scratch.setParameter(AssembledFloatTile.X, x);
      scratch.setParameter(AssembledFloatTile.X_END, x + tokens * TOKEN_BYTES);
      scratch.setParameter(AssembledFloatTile.Y_OFFSET, y);
      TILES[atOnce - 1].run(scratch.parameters, array);
    }
  }

  /** Decodes columns of a tile's panels, or of a trellis panel, which is two tiles. */
  private void decode(
      EncodedTensor matrix,
      int panel,
      int panelEnd,
      int column,
      int columnCount,
      AssembledScratch scratch) {
    if (encoding.isTrellis()) {
      decodeTrellis(matrix, panel, column, columnCount, scratch);
      return;
    }
    for (int i = 0; i < AssembledFloatTile.PANELS; i++) {
      // A panel that is not there is the first once more, and nothing of it is kept.
      int existing = panel + i < panelEnd ? panel + i : panel;
      decodePanel(matrix, existing, i, column, columnCount, scratch);
    }
  }

  private void decodeTrellis(
      EncodedTensor matrix, int panel, int column, int columnCount, AssembledScratch scratch) {
    long address = matrix.bytes().address() + panel * encoding.panelBytes(matrix.shape().columns());
    scratch.setParameter(AssembledTrellisUnpacking.PANEL, address);
    scratch.setParameter(
        AssembledTrellisUnpacking.CODES,
        address + TrellisPanel.columnOffsetBytes(encoding, column));
    scratch.setParameter(
        AssembledTrellisUnpacking.GROUPS, Math.ceilDiv(columnCount, TrellisLevels.COLUMNS));
    scratch.setParameter(AssembledTrellisUnpacking.TILE, scratch.floatTiles.address());
    scratch.setParameter(AssembledTrellisUnpacking.SCALES, scratch.floatScales.address());
    decoding.run(scratch.parameters, scratch.floatTiles);
  }

  private void decodePanel(
      EncodedTensor matrix,
      int panel,
      int slot,
      int column,
      int columnCount,
      AssembledScratch scratch) {
    int columns = matrix.shape().columns();
    int block = column / encoding.columnsPerBlock();
    long address = matrix.bytes().address() + panel * encoding.panelBytes(columns);
    long codes =
        address + encoding.codesOffsetBytes(columns) + (long) block * encoding.blockBytes();
    scratch.setParameter(AssembledDecoding.PANEL, address);
    scratch.setParameter(AssembledDecoding.SCALES, address + (long) block * Long.BYTES);
    scratch.setParameter(AssembledDecoding.CODES, codes);
    scratch.setParameter(AssembledDecoding.BLOCKS, encoding.blockCount(columnCount));
    scratch.setParameter(
        AssembledDecoding.TILE,
        scratch.floatTiles.address() + (long) slot * AssembledFloatTile.PANEL_TILE_BYTES);
    decoding.run(scratch.parameters, scratch.floatTiles);
  }
}
