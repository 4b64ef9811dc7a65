package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisPanel;
import java.util.Arrays;

/**
 * A matrix by two or more tokens: prefill, bound by multiply-additions. A tile of 256 columns and
 * two panels (at 512 bits; else one) is decoded to floats in the nearest cache, exactly, and
 * multiplied by all tokens of a block before the next tile. Trellis codes, which take long to
 * decode, come here with one token too; their tile is a panel of 64 rows.
 */
final class MatrixByTokens {
  static final int BLOCK_COLUMNS = ScalarGrid.COLUMNS_PER_BLOCK;

  /** Columns of a tile, a multiple of every encoding's block. */
  static final int TILE_COLUMNS = 4 * BLOCK_COLUMNS;

  /** Panels of a tile: at least the two vectors of rows that are multiplied at once. */
  static final int TILE_PANELS = Math.ceilDiv(2, Lanes.PARTS);

  /** Tokens that share the decoding of a tile; their activations of its columns stay in cache. */
  private static final int BLOCK_TOKENS = 128;

  /** Tokens multiplied at once: half of them where a vector unit has but sixteen registers. */
  private static final int MAX_TOKENS = Lanes.COUNT == 8 ? 4 : 8;

  private static final int TILE_VECTORS = TILE_PANELS * Lanes.PARTS;

  /** Floats of a panel of a tile. */
  static final int PANEL_FLOATS = TILE_COLUMNS * Lanes.PANEL_ROWS;

  private MatrixByTokens() {}

  /**
   * The arguments are those of {@link Kernels#multiply}, checked.
   *
   * @param rounding whether to round the activations first
   */
  static void multiply(
      EncodedTensor matrix,
      boolean rounding,
      TokenActivations x,
      float[] y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd) {
    KernelScratch scratch = KernelScratch.ofThread();
    int tokens = x.tokens();
    for (int tokenStart = 0; tokenStart < tokens; tokenStart += BLOCK_TOKENS) {
      int tokenCount = Math.min(BLOCK_TOKENS, tokens - tokenStart);
      float[] packed = pack(matrix, rounding, x, tokenStart, tokenCount, scratch);
      int yStart = yOffset + tokenStart * yStride;
      if (matrix.encoding().isTrellis()) {
        for (int panel = panelStart; panel < panelEnd; panel++) {
          multiplyTrellisPanel(matrix, packed, tokenCount, y, yStart, yStride, panel, scratch);
        }
        continue;
      }
      for (int panel = panelStart; panel < panelEnd; panel += TILE_PANELS) {
        int panelCount = Math.min(TILE_PANELS, panelEnd - panel);
        multiplyPanels(matrix, packed, tokenCount, y, yStart, yStride, panel, panelCount, scratch);
      }
    }
  }

  /**
   * Gathers the activations by tiles: those of tile i, token t at {@code (i * tokens + t) *
   * stride}.
   */
  private static float[] pack(
      EncodedTensor matrix,
      boolean rounding,
      TokenActivations x,
      int tokenStart,
      int tokens,
      KernelScratch scratch) {
    int columns = matrix.shape().columns();
    int tiles = Math.ceilDiv(columns, TILE_COLUMNS);
    float[] packed = scratch.activations((long) tiles * tokens * TileKernels.TOKEN_STRIDE);
    float[] rounded = rounding ? scratch.roundedValues(columns) : x.values();
    for (int t = 0; t < tokens; t++) {
      int start = x.offset(tokenStart + t);
      if (rounding) {
        scratch.rounded.round(x.values(), start, columns);
        scratch.rounded.values(rounded, 0);
        start = 0;
      }
      for (int tile = 0; tile < tiles; tile++) {
        int columnStart = tile * TILE_COLUMNS;
        System.arraycopy(
            rounded,
            start + columnStart,
            packed,
            (tile * tokens + t) * TileKernels.TOKEN_STRIDE,
            Math.min(TILE_COLUMNS, columns - columnStart));
      }
    }
    return packed;
  }

  private static void multiplyPanels(
      EncodedTensor matrix,
      float[] packed,
      int tokens,
      float[] y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelCount,
      KernelScratch scratch) {
    int rowStart = panelStart * Lanes.PANEL_ROWS;
    int rowCount = Math.min(panelCount * Lanes.PANEL_ROWS, matrix.shape().rows() - rowStart);
    for (int t = 0; t < tokens; t++) {
      int y0 = yOffset + t * yStride + rowStart;
      Arrays.fill(y, y0, y0 + rowCount, 0);
    }
    int columns = matrix.shape().columns();
    for (int columnStart = 0; columnStart < columns; columnStart += TILE_COLUMNS) {
      int columnCount = Math.min(TILE_COLUMNS, columns - columnStart);
      for (int panel = 0; panel < panelCount; panel++) {
        decodeTile(matrix, panelStart + panel, columnStart, columnCount, scratch, panel);
      }
      int x0 = columnStart / TILE_COLUMNS * tokens * TileKernels.TOKEN_STRIDE;
      for (int vector = 0; vector < TILE_VECTORS; vector += 2) {
        int storedRows = Math.min(2 * Lanes.COUNT, rowCount - vector * Lanes.COUNT);
        if (storedRows > 0) {
          int y0 = yOffset + rowStart + vector * Lanes.COUNT;
          multiplyTile(
              scratch, vector, storedRows, columnCount, packed, x0, tokens, y, y0, yStride);
        }
      }
    }
  }

  private static void multiplyTrellisPanel(
      EncodedTensor matrix,
      float[] packed,
      int tokens,
      float[] y,
      int yOffset,
      int yStride,
      int panel,
      KernelScratch scratch) {
    float[] sums = scratch.trellisSums(tokens);
    Arrays.fill(sums, 0, tokens * TrellisPanel.ROWS, 0);
    int columns = matrix.shape().columns();
    for (int columnStart = 0; columnStart < columns; columnStart += TILE_COLUMNS) {
      int columnCount = Math.min(TILE_COLUMNS, columns - columnStart);
      TrellisMatrix.decodeTile(matrix, panel, columnStart, columnCount, scratch.tile, PANEL_FLOATS);
      int x0 = columnStart / TILE_COLUMNS * tokens * TileKernels.TOKEN_STRIDE;
      for (int row = 0; row < TrellisPanel.ROWS; row += 2 * Lanes.COUNT) {
        multiplyTile(
            scratch,
            row / Lanes.COUNT,
            2 * Lanes.COUNT,
            columnCount,
            packed,
            x0,
            tokens,
            sums,
            row,
            TrellisPanel.ROWS);
      }
    }
    TrellisMatrix.store(matrix, panel, sums, tokens, y, yOffset, yStride);
  }

  /**
   * Decodes columns of a panel of 16 rows, exactly as the encoding's scalar decoder.
   *
   * @param columnStart a multiple of {@link #TILE_COLUMNS}
   * @param columnCount at most {@link #TILE_COLUMNS}
   * @param tilePanel which panel of the scratch's tile receives column {@code columnStart + c}, at
   *     {@code 16 * c}
   */
  static void decodeTile(
      EncodedTensor matrix,
      int panel,
      int columnStart,
      int columnCount,
      KernelScratch scratch,
      int tilePanel) {
    Encoding encoding = matrix.encoding();
    int columns = matrix.shape().columns();
    long panelAddress = matrix.bytes().address() + panel * encoding.panelBytes(columns);
    int blockStart = columnStart / encoding.columnsPerBlock();
    int blocks = encoding.blockCount(columnCount);
    long codesAddress =
        panelAddress
            + encoding.codesOffsetBytes(columns)
            + (long) blockStart * encoding.blockBytes();
    float[] tile = scratch.tile;
    for (int part = 0; part < Lanes.PARTS; part++) {
      long address = codesAddress + (long) part * Lanes.COUNT * Float.BYTES;
      int t = tilePanel * PANEL_FLOATS + part * Lanes.COUNT;
      if (encoding.isScalar()) {
        GridScales.decode(panelAddress, part, blockStart, blocks, scratch.steps(blocks), 0);
      }
      switch (encoding) {
        case F32 -> DenseKernels.decodeF32(address, blocks, tile, t);
        case BF16 -> DenseKernels.decodeBF16(address, blocks, tile, t);
        case Q8 -> Q8Kernels.decode(address, blocks, scratch.steps(blocks), 0, tile, t);
        case Q6 -> Q6Kernels.decode(address, blocks, scratch.steps(blocks), 0, tile, t);
        case Q4 -> Q4Kernels.decode(address, blocks, scratch.steps(blocks), 0, tile, t);
        case Q5, Q3, Q2 -> {
          int bits = encoding.codeBits();
          PairedKernels.decode(bits, address, blocks, scratch.steps(blocks), 0, tile, t);
        }
        case T1, T2, T3, T4, T5 -> throw new AssertionError(encoding);
      }
    }
  }

  /** Multiplies two vectors of the tile by all tokens, eight at a time while there are as many. */
  private static void multiplyTile(
      KernelScratch scratch,
      int vector,
      int storedRows,
      int columns,
      float[] packed,
      int xOffset,
      int tokens,
      float[] y,
      int yOffset,
      int yStride) {
    int w0 = tileOffset(vector);
    int w1 = tileOffset(vector + 1);
    boolean whole = storedRows == 2 * Lanes.COUNT;
    float[] sums = whole ? y : scratch.edge;
    for (int t = 0; t < tokens; ) {
      int count = Math.min(MAX_TOKENS, Integer.highestOneBit(tokens - t));
      int x0 = xOffset + t * TileKernels.TOKEN_STRIDE;
      int s0 = whole ? yOffset + t * yStride : 0;
      int sumStride = whole ? yStride : 2 * Lanes.COUNT;
      if (!whole) {
        Arrays.fill(scratch.edge, 0);
      }
      switch (count) {
        case 8 -> TileKernels.add8(scratch.tile, w0, w1, columns, packed, x0, sums, s0, sumStride);
        case 4 -> TileKernels.add4(scratch.tile, w0, w1, columns, packed, x0, sums, s0, sumStride);
        case 2 -> TileKernels.add2(scratch.tile, w0, w1, columns, packed, x0, sums, s0, sumStride);
        default -> TileKernels.add1(scratch.tile, w0, w1, columns, packed, x0, sums, s0);
      }
      if (!whole) {
        addEdge(scratch.edge, count, storedRows, y, yOffset + t * yStride, yStride);
      }
      t += count;
    }
  }

  /** Adds the sums of the rows that exist. */
  static void addEdge(float[] edge, int tokens, int rows, float[] y, int yOffset, int yStride) {
    for (int t = 0; t < tokens; t++) {
      for (int row = 0; row < rows; row++) {
        y[yOffset + t * yStride + row] += edge[t * 2 * Lanes.COUNT + row];
      }
    }
  }

  private static int tileOffset(int vector) {
    return vector / Lanes.PARTS * PANEL_FLOATS + vector % Lanes.PARTS * Lanes.COUNT;
  }
}
