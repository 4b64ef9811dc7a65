package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;

/**
 * Multiplies a decoded tile by 8, 4, 2 or 1 tokens. Every sum is one chain of fused
 * multiply-additions over the tile's columns in ascending order, whatever the number of tokens, so
 * a token's result does not depend on its neighbours.
 *
 * <p>Eight tokens by two vectors are sixteen sums in registers; with more the compiler spills.
 */
final class TileKernels {
  /**
   * Floats from one token to the next among packed activations: no power of two, for the caches.
   */
  static final int TOKEN_STRIDE = MatrixByTokens.TILE_COLUMNS + 16;

  private TileKernels() {}

  /**
   * Adds the products of eight tokens and two vectors of rows to {@code y}.
   *
   * @param w0 where the first vector's rows of the first column are in {@code tile}; a column is 16
   *     floats
   * @param w1 the second vector's
   * @param x0 where the first token's packed activations begin in {@code x}
   * @param y0 where the first token's sums of the first vector are in {@code y}, those of the
   *     second behind them
   */
  static void add8(
      float[] tile,
      int w0,
      int w1,
      int columns,
      float[] x,
      int x0,
      float[] y,
      int y0,
      int yStride) {
    FloatVector sum0a = FloatVector.zero(FLOATS);
    FloatVector sum0b = FloatVector.zero(FLOATS);
    FloatVector sum1a = FloatVector.zero(FLOATS);
    FloatVector sum1b = FloatVector.zero(FLOATS);
    FloatVector sum2a = FloatVector.zero(FLOATS);
    FloatVector sum2b = FloatVector.zero(FLOATS);
    FloatVector sum3a = FloatVector.zero(FLOATS);
    FloatVector sum3b = FloatVector.zero(FLOATS);
    FloatVector sum4a = FloatVector.zero(FLOATS);
    FloatVector sum4b = FloatVector.zero(FLOATS);
    FloatVector sum5a = FloatVector.zero(FLOATS);
    FloatVector sum5b = FloatVector.zero(FLOATS);
    FloatVector sum6a = FloatVector.zero(FLOATS);
    FloatVector sum6b = FloatVector.zero(FLOATS);
    FloatVector sum7a = FloatVector.zero(FLOATS);
    FloatVector sum7b = FloatVector.zero(FLOATS);
    for (int c = 0; c < columns; c++) {
      FloatVector a = FloatVector.fromArray(FLOATS, tile, w0 + 16 * c);
      FloatVector b = FloatVector.fromArray(FLOATS, tile, w1 + 16 * c);
      FloatVector xc = FloatVector.broadcast(FLOATS, x[x0 + c]);
      sum0a = a.fma(xc, sum0a);
      sum0b = b.fma(xc, sum0b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + TOKEN_STRIDE]);
      sum1a = a.fma(xc, sum1a);
      sum1b = b.fma(xc, sum1b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + 2 * TOKEN_STRIDE]);
      sum2a = a.fma(xc, sum2a);
      sum2b = b.fma(xc, sum2b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + 3 * TOKEN_STRIDE]);
      sum3a = a.fma(xc, sum3a);
      sum3b = b.fma(xc, sum3b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + 4 * TOKEN_STRIDE]);
      sum4a = a.fma(xc, sum4a);
      sum4b = b.fma(xc, sum4b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + 5 * TOKEN_STRIDE]);
      sum5a = a.fma(xc, sum5a);
      sum5b = b.fma(xc, sum5b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + 6 * TOKEN_STRIDE]);
      sum6a = a.fma(xc, sum6a);
      sum6b = b.fma(xc, sum6b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + 7 * TOKEN_STRIDE]);
      sum7a = a.fma(xc, sum7a);
      sum7b = b.fma(xc, sum7b);
    }
    int lanes = FLOATS.length();
    FloatVector.fromArray(FLOATS, y, y0).add(sum0a).intoArray(y, y0);
    FloatVector.fromArray(FLOATS, y, y0 + lanes).add(sum0b).intoArray(y, y0 + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + yStride).add(sum1a).intoArray(y, y0 + yStride);
    FloatVector.fromArray(FLOATS, y, y0 + yStride + lanes)
        .add(sum1b)
        .intoArray(y, y0 + yStride + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + 2 * yStride).add(sum2a).intoArray(y, y0 + 2 * yStride);
    FloatVector.fromArray(FLOATS, y, y0 + 2 * yStride + lanes)
        .add(sum2b)
        .intoArray(y, y0 + 2 * yStride + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + 3 * yStride).add(sum3a).intoArray(y, y0 + 3 * yStride);
    FloatVector.fromArray(FLOATS, y, y0 + 3 * yStride + lanes)
        .add(sum3b)
        .intoArray(y, y0 + 3 * yStride + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + 4 * yStride).add(sum4a).intoArray(y, y0 + 4 * yStride);
    FloatVector.fromArray(FLOATS, y, y0 + 4 * yStride + lanes)
        .add(sum4b)
        .intoArray(y, y0 + 4 * yStride + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + 5 * yStride).add(sum5a).intoArray(y, y0 + 5 * yStride);
    FloatVector.fromArray(FLOATS, y, y0 + 5 * yStride + lanes)
        .add(sum5b)
        .intoArray(y, y0 + 5 * yStride + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + 6 * yStride).add(sum6a).intoArray(y, y0 + 6 * yStride);
    FloatVector.fromArray(FLOATS, y, y0 + 6 * yStride + lanes)
        .add(sum6b)
        .intoArray(y, y0 + 6 * yStride + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + 7 * yStride).add(sum7a).intoArray(y, y0 + 7 * yStride);
    FloatVector.fromArray(FLOATS, y, y0 + 7 * yStride + lanes)
        .add(sum7b)
        .intoArray(y, y0 + 7 * yStride + lanes);
  }

  /** Four tokens; see {@link #add8}. */
  static void add4(
      float[] tile,
      int w0,
      int w1,
      int columns,
      float[] x,
      int x0,
      float[] y,
      int y0,
      int yStride) {
    FloatVector sum0a = FloatVector.zero(FLOATS);
    FloatVector sum0b = FloatVector.zero(FLOATS);
    FloatVector sum1a = FloatVector.zero(FLOATS);
    FloatVector sum1b = FloatVector.zero(FLOATS);
    FloatVector sum2a = FloatVector.zero(FLOATS);
    FloatVector sum2b = FloatVector.zero(FLOATS);
    FloatVector sum3a = FloatVector.zero(FLOATS);
    FloatVector sum3b = FloatVector.zero(FLOATS);
    for (int c = 0; c < columns; c++) {
      FloatVector a = FloatVector.fromArray(FLOATS, tile, w0 + 16 * c);
      FloatVector b = FloatVector.fromArray(FLOATS, tile, w1 + 16 * c);
      FloatVector xc = FloatVector.broadcast(FLOATS, x[x0 + c]);
      sum0a = a.fma(xc, sum0a);
      sum0b = b.fma(xc, sum0b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + TOKEN_STRIDE]);
      sum1a = a.fma(xc, sum1a);
      sum1b = b.fma(xc, sum1b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + 2 * TOKEN_STRIDE]);
      sum2a = a.fma(xc, sum2a);
      sum2b = b.fma(xc, sum2b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + 3 * TOKEN_STRIDE]);
      sum3a = a.fma(xc, sum3a);
      sum3b = b.fma(xc, sum3b);
    }
    int lanes = FLOATS.length();
    FloatVector.fromArray(FLOATS, y, y0).add(sum0a).intoArray(y, y0);
    FloatVector.fromArray(FLOATS, y, y0 + lanes).add(sum0b).intoArray(y, y0 + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + yStride).add(sum1a).intoArray(y, y0 + yStride);
    FloatVector.fromArray(FLOATS, y, y0 + yStride + lanes)
        .add(sum1b)
        .intoArray(y, y0 + yStride + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + 2 * yStride).add(sum2a).intoArray(y, y0 + 2 * yStride);
    FloatVector.fromArray(FLOATS, y, y0 + 2 * yStride + lanes)
        .add(sum2b)
        .intoArray(y, y0 + 2 * yStride + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + 3 * yStride).add(sum3a).intoArray(y, y0 + 3 * yStride);
    FloatVector.fromArray(FLOATS, y, y0 + 3 * yStride + lanes)
        .add(sum3b)
        .intoArray(y, y0 + 3 * yStride + lanes);
  }

  /** Two tokens; see {@link #add8}. */
  static void add2(
      float[] tile,
      int w0,
      int w1,
      int columns,
      float[] x,
      int x0,
      float[] y,
      int y0,
      int yStride) {
    FloatVector sum0a = FloatVector.zero(FLOATS);
    FloatVector sum0b = FloatVector.zero(FLOATS);
    FloatVector sum1a = FloatVector.zero(FLOATS);
    FloatVector sum1b = FloatVector.zero(FLOATS);
    for (int c = 0; c < columns; c++) {
      FloatVector a = FloatVector.fromArray(FLOATS, tile, w0 + 16 * c);
      FloatVector b = FloatVector.fromArray(FLOATS, tile, w1 + 16 * c);
      FloatVector xc = FloatVector.broadcast(FLOATS, x[x0 + c]);
      sum0a = a.fma(xc, sum0a);
      sum0b = b.fma(xc, sum0b);
      xc = FloatVector.broadcast(FLOATS, x[x0 + c + TOKEN_STRIDE]);
      sum1a = a.fma(xc, sum1a);
      sum1b = b.fma(xc, sum1b);
    }
    int lanes = FLOATS.length();
    FloatVector.fromArray(FLOATS, y, y0).add(sum0a).intoArray(y, y0);
    FloatVector.fromArray(FLOATS, y, y0 + lanes).add(sum0b).intoArray(y, y0 + lanes);
    FloatVector.fromArray(FLOATS, y, y0 + yStride).add(sum1a).intoArray(y, y0 + yStride);
    FloatVector.fromArray(FLOATS, y, y0 + yStride + lanes)
        .add(sum1b)
        .intoArray(y, y0 + yStride + lanes);
  }

  /** One token; see {@link #add8}. */
  static void add1(
      float[] tile, int w0, int w1, int columns, float[] x, int x0, float[] y, int y0) {
    FloatVector sum0a = FloatVector.zero(FLOATS);
    FloatVector sum0b = FloatVector.zero(FLOATS);
    for (int c = 0; c < columns; c++) {
      FloatVector a = FloatVector.fromArray(FLOATS, tile, w0 + 16 * c);
      FloatVector b = FloatVector.fromArray(FLOATS, tile, w1 + 16 * c);
      FloatVector xc = FloatVector.broadcast(FLOATS, x[x0 + c]);
      sum0a = a.fma(xc, sum0a);
      sum0b = b.fma(xc, sum0b);
    }
    int lanes = FLOATS.length();
    FloatVector.fromArray(FLOATS, y, y0).add(sum0a).intoArray(y, y0);
    FloatVector.fromArray(FLOATS, y, y0 + lanes).add(sum0b).intoArray(y, y0 + lanes);
  }
}
