package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import java.util.Arrays;

/**
 * A {@code q4} matrix by two or more tokens whose activations are rounded. The codes are multiplied
 * as they stand in memory: a tile of two vectors of rows and {@link #TILE_BLOCKS} blocks of columns
 * by all tokens of a batch before the next tile.
 */
final class Q4ByTokens {
  private static final int TILE_BLOCKS = 4;

  /** Runs of columns in a tile. */
  static final int TILE_RUNS = TILE_BLOCKS * Q4Factors.RUNS_PER_BLOCK;

  /** A slab of columns is done for all rows before the next: so the factors stay in the cache. */
  private static final int SLAB_BLOCKS = 4 * TILE_BLOCKS;

  private static final int BATCH_TOKENS = 256;

  /** Tokens multiplied at once; behind the last ones stand others, of which nothing is kept. */
  static final int TOKENS = 8;

  private static final int BLOCK_COLUMNS = ActivationRounding.BLOCK_COLUMNS;

  /** Panels of a tile, of which at 128 bits its vectors are but a part. */
  private static final int TILE_PANELS = Math.ceilDiv(2, Lanes.PARTS);

  private Q4ByTokens() {}

  /** The arguments are those of {@link Kernels#multiply}, checked. */
  static void multiply(
      EncodedTensor matrix,
      TokenActivations x,
      float[] y,
      int yOffset,
      int yStride,
      int panelStart,
      int panelEnd) {
    KernelScratch scratch = KernelScratch.ofThread();
    int blocks = Encoding.Q4.blockCount(matrix.shape().columns());
    int rowStart = panelStart * Lanes.PANEL_ROWS;
    int rowEnd = Math.min(panelEnd * Lanes.PANEL_ROWS, matrix.shape().rows());
    int tokens = x.tokens();
    for (int batchStart = 0; batchStart < tokens; batchStart += BATCH_TOKENS) {
      int count = Math.min(BATCH_TOKENS, tokens - batchStart);
      takeTokens(matrix, x, batchStart, count, scratch);
      int y0 = yOffset + batchStart * yStride;
      for (int t = 0; t < count; t++) {
        Arrays.fill(y, y0 + t * yStride + rowStart, y0 + t * yStride + rowEnd, 0);
      }
      for (int slab = 0; slab < blocks; slab += SLAB_BLOCKS) {
        int slabEnd = Math.min(blocks, slab + SLAB_BLOCKS);
        for (int panel = panelStart; panel < panelEnd; panel += TILE_PANELS) {
          for (int block = slab; block < slabEnd; block += TILE_BLOCKS) {
            int tileBlocks = Math.min(TILE_BLOCKS, slabEnd - block);
            addTile(matrix, panel, panelEnd, block, tileBlocks, count, y, y0, yStride, scratch);
          }
        }
      }
    }
  }

  private static void takeTokens(
      EncodedTensor matrix, TokenActivations x, int tokenStart, int tokens, KernelScratch scratch) {
    int columns = matrix.shape().columns();
    scratch.q4Factors.resize(Math.ceilDiv(tokens, TOKENS) * TOKENS, columns);
    for (int t = 0; t < tokens; t++) {
      scratch.rounded.round(x.values(), x.offset(tokenStart + t), columns);
      scratch.q4Factors.put(t, scratch.rounded);
    }
  }

  private static void addTile(
      EncodedTensor matrix,
      int panel,
      int panelEnd,
      int block,
      int blocks,
      int tokens,
      float[] y,
      int yOffset,
      int yStride,
      KernelScratch scratch) {
    int columns = matrix.shape().columns();
    long panelBytes = Encoding.Q4.panelBytes(columns);
    float[] steps = scratch.steps(blocks);
    long codes =
        matrix.bytes().address()
            + Encoding.Q4.codesOffsetBytes(columns)
            + (long) block * Encoding.Q4.blockBytes();
    for (int vector = 0; vector < TILE_PANELS * Lanes.PARTS; vector += 2) {
      for (int slot = 0; slot < 2; slot++) {
        // A panel that is not there is the last one again, and nothing of it is kept.
        int p = Math.min(panel + (vector + slot) / Lanes.PARTS, panelEnd - 1);
        int part = (vector + slot) % Lanes.PARTS;
        GridScales.decode(
            matrix.bytes().address() + p * panelBytes, part, block, blocks, steps, slot);
        scratch.addresses[slot] =
            codes + p * panelBytes + (long) part * Lanes.COUNT * Integer.BYTES;
      }
      int row = panel * Lanes.PANEL_ROWS + vector * Lanes.COUNT;
      int rowEnd = Math.min(panelEnd * Lanes.PANEL_ROWS, matrix.shape().rows());
      int rows = Math.min(2 * Lanes.COUNT, rowEnd - row);
      if (rows > 0) {
        addVectors(block, blocks, rows, tokens, y, yOffset + row, yStride, scratch);
      }
    }
  }

  private static void addVectors(
      int block,
      int blocks,
      int rows,
      int tokens,
      float[] y,
      int yOffset,
      int yStride,
      KernelScratch scratch) {
    Q4Factors factors = scratch.q4Factors;
    long p0 = scratch.addresses[0];
    long p1 = scratch.addresses[1];
    int[] sums = scratch.integerSums;
    float[] steps = scratch.steps(blocks);
    int runs = blocks * Q4Factors.RUNS_PER_BLOCK;
    for (int t = 0; t < tokens; t += TOKENS) {
      int words = t * factors.wordStride + block * BLOCK_COLUMNS / 2;
      int run = t * factors.runStride + block * Q4Factors.RUNS_PER_BLOCK;
      Q4IntegerKernels.dot8(p0, p1, runs, factors, words, run, sums);
      int count = Math.min(TOKENS, tokens - t);
      int y0 = yOffset + t * yStride;
      if (count == TOKENS && rows == 2 * Lanes.COUNT) {
        Q4IntegerKernels.addBlocks(sums, blocks, factors, run, steps, y, y0, yStride);
      } else {
        float[] edge = scratch.edge;
        Arrays.fill(edge, 0);
        Q4IntegerKernels.addBlocks(sums, blocks, factors, run, steps, edge, 0, 2 * Lanes.COUNT);
        MatrixByTokens.addEdge(edge, count, rows, y, y0, yStride);
      }
    }
  }
}
