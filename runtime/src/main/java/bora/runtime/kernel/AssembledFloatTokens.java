package bora.runtime.kernel;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorShape;
import bora.runtime.machine.MachineCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A matrix by some tokens in machine code, exactly decoded and with exact activations: the order of
 * the work, which is that of {@link MatrixByTokens} and gives the same bits, and what each call is
 * given.
 */
final class AssembledFloatTokens {
  private static final int PANEL_ROWS = ScalarGrid.LANES;
  private static final int TILE_PANELS = AssembledFloatTile.PANELS;
  private static final int TILE_COLUMNS = AssembledFloatTile.MAX_COLUMNS;
  private static final int MAX_TOKENS = AssembledFloatTile.MAX_TOKENS;
  private static final long TOKEN_BYTES = AssembledFloatTile.TOKEN_BYTES;

  /** Tokens that share the decoding of a tile; their activations of its columns stay in cache. */
  private static final int BLOCK_TOKENS = 128;

  /** Assembled and tested at the first use. */
  private static final AssembledFloatTokens[] OF_ENCODING =
      new AssembledFloatTokens[Encoding.values().length];

  /** For one token at once, two, and so on. */
  private static final MachineCode[] TILES = new MachineCode[MAX_TOKENS];

  static {
    Arrays.setAll(TILES, i -> AssembledFloatTile.of(i + 1));
  }

  private final Encoding encoding;
  private final MachineCode decoding;

  private AssembledFloatTokens(Encoding encoding) {
    this.encoding = encoding;
    decoding = AssembledDecoding.of(encoding);
  }

  /**
   * For an encoding, none of the trellis codes; the same at every call.
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
      tokens.test();
      OF_ENCODING[encoding.ordinal()] = tokens;
    }
    return OF_ENCODING[encoding.ordinal()];
  }

  /** The arguments are those of {@link Kernels#multiply}, checked. */
  void multiply(
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
    AssembledScratch scratch = AssembledScratch.ofThread();
    MemorySegment array = scratch.wrap(y);
    for (int start = 0; start < tokens; start += BLOCK_TOKENS) {
      int count = Math.min(BLOCK_TOKENS, tokens - start);
      long packed =
          pack(x, xOffset + start * xStride, xStride, count, matrix.shape().columns(), scratch);
      long y0 = (yOffset + (long) start * yStride) * Float.BYTES;
      for (int panel = panelStart; panel < panelEnd; panel += TILE_PANELS) {
        int panels = Math.min(TILE_PANELS, panelEnd - panel);
        multiplyPanels(matrix, panel, panels, packed, count, array, y0, yStride, scratch);
      }
    }
  }

  /** Gathers the activations by tiles: those of tile i, token t are the (i * tokens + t)-th. */
  private static long pack(
      float[] x, int xOffset, int xStride, int tokens, int columns, AssembledScratch scratch) {
    int tiles = Math.ceilDiv(columns, TILE_COLUMNS);
    MemorySegment packed = scratch.records((long) tiles * tokens * TOKEN_BYTES);
    for (int tile = 0; tile < tiles; tile++) {
      int first = tile * TILE_COLUMNS;
      int count = Math.min(TILE_COLUMNS, columns - first);
      for (int t = 0; t < tokens; t++) {
        long to = ((long) tile * tokens + t) * TOKEN_BYTES;
        int from = xOffset + t * xStride + first;
        MemorySegment.copy(x, from, packed, ValueLayout.JAVA_FLOAT, to, count);
      }
    }
    return packed.address();
  }

  private void multiplyPanels(
      EncodedTensor matrix,
      int panel,
      int panels,
      long packed,
      int tokens,
      MemorySegment array,
      long y0,
      int yStride,
      AssembledScratch scratch) {
    int columns = matrix.shape().columns();
    long floats = scratch.floatTile.address();
    long yStrideBytes = (long) yStride * Float.BYTES;
    long yStart = y0 + (long) panel * PANEL_ROWS * Float.BYTES;
    int whole = tokens - tokens % MAX_TOKENS;
    for (int column = 0; column < columns; column += TILE_COLUMNS) {
      int count = Math.min(TILE_COLUMNS, columns - column);
      for (int i = 0; i < TILE_PANELS; i++) {
        // A panel that is not there is the first once more, and nothing of it is kept.
        long to = floats + (long) i * AssembledFloatTile.PANEL_TILE_BYTES;
        decode(matrix, panel + Math.min(i, panels - 1), column, count, to, scratch);
      }
      scratch.setParameter(AssembledFloatTile.TILE, floats);
      scratch.setParameter(AssembledFloatTile.COLUMNS, count);
      scratch.setParameter(AssembledFloatTile.Y_STRIDE, yStrideBytes);
      for (int i = 0; i < TILE_PANELS; i++) {
        int row = (panel + i) * PANEL_ROWS;
        int rows = i < panels ? Math.min(PANEL_ROWS, matrix.shape().rows() - row) : 0;
        int mask = (1 << rows) - 1;
        int place = Long.BYTES * i;
        scratch.setParameter(AssembledFloatTile.ROW_MASKS + place, mask);
        scratch.setParameter(AssembledFloatTile.ADDED_MASKS + place, column == 0 ? 0 : mask);
      }
      long x0 = packed + (long) column / TILE_COLUMNS * tokens * TOKEN_BYTES;
      addTile(x0, whole, MAX_TOKENS, array, yStart, scratch);
      long xRest = x0 + whole * TOKEN_BYTES;
      addTile(xRest, tokens - whole, tokens - whole, array, yStart + whole * yStrideBytes, scratch);
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

  private void decode(
      EncodedTensor matrix,
      int panel,
      int column,
      int columnCount,
      long tile,
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
    scratch.setParameter(AssembledDecoding.TILE, tile);
    decoding.run(scratch.parameters, scratch.floatTile);
  }

  /** Three panels, of which the last is not whole, two tiles of columns, and 8 + 1 tokens. */
  private void test() {
    TensorShape shape = TensorShape.matrix(3 * PANEL_ROWS - 5, TILE_COLUMNS + 69);
    int tokens = MAX_TOKENS + 1;
    SplittableRandom random = new SplittableRandom(1);
    float[] x = new float[tokens * shape.columns()];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) random.nextDouble() - 0.5f;
    }
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor matrix = random(arena, shape, random);
      float[] y = new float[tokens * shape.rows()];
      multiply(matrix, x, 0, shape.columns(), tokens, y, 0, shape.rows(), 0, 3);
      for (int row = 0; row < shape.rows(); row += 7) {
        MemorySegment panel = matrix.panel(row / PANEL_ROWS);
        float[] weights = new float[shape.columns()];
        for (int c = 0; c < weights.length; c++) {
          weights[c] = encoding.decoder().valueAt(panel, weights.length, row % PANEL_ROWS, c);
        }
        for (int t = 0; t < tokens; t++) {
          AssembledSelfTest.check(
              encoding, product(weights, x, t * weights.length), y[t * shape.rows() + row]);
        }
      }
    }
  }

  private static float product(float[] weights, float[] x, int xOffset) {
    float total = 0;
    for (int start = 0; start < weights.length; start += TILE_COLUMNS) {
      float sum = 0;
      for (int c = start; c < Math.min(weights.length, start + TILE_COLUMNS); c++) {
        sum = Math.fma(weights[c], x[xOffset + c], sum);
      }
      total += sum;
    }
    return total;
  }

  private EncodedTensor random(Arena arena, TensorShape shape, SplittableRandom random) {
    MemorySegment bytes = arena.allocate(encoding.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
    EncodedTensor matrix = new EncodedTensor(encoding, shape, bytes);
    for (long offset = 0; offset < bytes.byteSize(); offset += Integer.BYTES) {
      int pair =
          BFloat16.fromFloat((float) random.nextDouble()) << 16
              | (BFloat16.fromFloat((float) random.nextDouble()) & 0xFFFF);
      bytes.set(LittleEndian.INT, offset, encoding.isScalar() ? random.nextInt() : pair);
    }
    if (encoding.isScalar()) {
      for (int row = 0; row < shape.rows(); row++) {
        short scale = BFloat16.fromFloat((float) (0.01 + random.nextDouble()));
        long offset = ScalarGrid.rowScaleOffsetBytes(row % PANEL_ROWS);
        matrix.panel(row / PANEL_ROWS).set(LittleEndian.SHORT, offset, scale);
      }
    }
    return matrix;
  }
}
