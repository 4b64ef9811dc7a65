package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.model.TensorShape;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.TokenActivations;
import bora.runtime.kernel.WorkerPool;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Adds second moments {@code X^T X} of activations. A chunk of rows, transposed, is a matrix like
 * any other, so its product with itself runs on the kernels of the forward pass: sums of up to 256
 * rows in float32, added in double precision in the order of the chunks. The result depends on the
 * rows and the kernels, not on the number of threads.
 */
public final class GramProduct {
  private static final int CHUNK_ROWS = 256;
  private static final int BLOCK_COLUMNS = 128;

  private final Kernels kernels;
  private final WorkerPool pool;

  GramProduct(Kernels kernels, WorkerPool pool) {
    this.kernels = kernels;
    this.pool = pool;
  }

  /**
   * Adds the weighted second moment of some columns: {@code sum[i][j] += sum over r of weight[r]^2
   * x[r][i] x[r][j]} for {@code j <= i}.
   *
   * @param x row r's first column at {@code offset + r * stride}
   * @param weights of the rows, from {@code weightsOffset}
   * @param sums row i of the lower triangle, {@code i + 1} values; as many as there are columns
   */
  public void add(
      float[] x,
      int offset,
      int stride,
      int rows,
      float[] weights,
      int weightsOffset,
      double[][] sums) {
    for (int start = 0; start < rows; start += CHUNK_ROWS) {
      int count = Math.min(CHUNK_ROWS, rows - start);
      addChunk(x, offset + start * stride, stride, count, weights, weightsOffset + start, sums);
    }
  }

  /**
   * Adds the weighted products of two activations of the same rows: {@code sums[i][j] += sum over r
   * of weight[r]^2 left[r][i] right[r][j]}.
   *
   * @param left row r's first column at {@code leftOffset + r * leftStride}; as many columns as
   *     {@code sums} has rows
   * @param right likewise; as many columns as a row of {@code sums}
   */
  public void addCross(
      float[] left,
      int leftOffset,
      int leftStride,
      float[] right,
      int rightOffset,
      int rightStride,
      int rows,
      float[] weights,
      double[][] sums) {
    for (int start = 0; start < rows; start += CHUNK_ROWS) {
      int count = Math.min(CHUNK_ROWS, rows - start);
      int l = leftOffset + start * leftStride;
      int r = rightOffset + start * rightStride;
      addCrossChunk(left, l, leftStride, right, r, rightStride, count, weights, start, sums);
    }
  }

  private void addCrossChunk(
      float[] left,
      int leftOffset,
      int leftStride,
      float[] right,
      int rightOffset,
      int rightStride,
      int rows,
      float[] weights,
      int weightsOffset,
      double[][] sums) {
    int columns = sums[0].length;
    FloatArray transposedLeft = FloatArray.ofLength(Math.multiplyExact(sums.length, rows));
    for (int row = 0; row < rows; row++) {
      float weight = weights[weightsOffset + row];
      for (int i = 0; i < sums.length; i++) {
        transposedLeft.set(i * rows + row, weight * left[leftOffset + row * leftStride + i]);
      }
    }
    TensorShape shape = TensorShape.matrix(columns, rows);
    float[] transposed = new float[Math.multiplyExact(columns, rows)];
    try (Arena arena = Arena.ofShared()) {
      MemorySegment bytes =
          arena.allocate(Encoding.F32.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
      transpose(
          right,
          rightOffset,
          rightStride,
          rows,
          weights,
          weightsOffset,
          0,
          columns,
          transposed,
          bytes);
      EncodedTensor matrix = new EncodedTensor(Encoding.F32, shape, bytes);
      int panels = matrix.encoding().panelCount(columns);
      pool.forEachRange(
          Math.ceilDiv(sums.length, BLOCK_COLUMNS),
          (first, end) -> {
            FloatArray products = FloatArray.ofLength(Math.multiplyExact(BLOCK_COLUMNS, columns));
            for (int block = first; block < end; block++) {
              int start = block * BLOCK_COLUMNS;
              int count = Math.min(BLOCK_COLUMNS, sums.length - start);
              kernels.multiply(
                  matrix,
                  TokenActivations.of(transposedLeft, start * rows, rows, count),
                  products,
                  0,
                  columns,
                  0,
                  panels);
              for (int i = 0; i < count; i++) {
                double[] sum = sums[start + i];
                for (int j = 0; j < columns; j++) {
                  sum[j] += products.get(i * columns + j);
                }
              }
            }
          });
    }
  }

  private void addChunk(
      float[] x,
      int offset,
      int stride,
      int rows,
      float[] weights,
      int weightsOffset,
      double[][] sums) {
    int columns = sums.length;
    TensorShape shape = TensorShape.matrix(columns, rows);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment bytes =
          arena.allocate(Encoding.F32.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
      FloatArray transposed = FloatArray.ofLength(Math.multiplyExact(columns, rows));
      pool.forEachRange(
          Math.ceilDiv(columns, BLOCK_COLUMNS),
          (first, end) ->
              transpose(
                  x,
                  offset,
                  stride,
                  rows,
                  weights,
                  weightsOffset,
                  first * BLOCK_COLUMNS,
                  Math.min(columns, end * BLOCK_COLUMNS),
                  transposed.values(),
                  bytes));
      EncodedTensor matrix = new EncodedTensor(Encoding.F32, shape, bytes);
      // Block b of a triangle has work b: pairs of a short and a long one split evenly.
      int blocks = Math.ceilDiv(columns, BLOCK_COLUMNS);
      pool.forEachRange(
          Math.ceilDiv(blocks, 2),
          (first, end) -> {
            FloatArray products = FloatArray.ofLength(Math.multiplyExact(BLOCK_COLUMNS, columns));
            for (int block = first; block < end; block++) {
              addBlock(matrix, transposed, block, products, sums);
              if (blocks - 1 - block != block) {
                addBlock(matrix, transposed, blocks - 1 - block, products, sums);
              }
            }
          });
    }
  }

  /** Weighs and transposes some columns, row-major and as panels of a matrix. */
  private static void transpose(
      float[] x,
      int offset,
      int stride,
      int rows,
      float[] weights,
      int weightsOffset,
      int columnStart,
      int columnEnd,
      float[] transposed,
      MemorySegment panels) {
    int lanes = Encoding.F32.rowsPerPanel();
    for (int row = 0; row < rows; row++) {
      float weight = weights[weightsOffset + row];
      for (int column = columnStart; column < columnEnd; column++) {
        float value = weight * x[offset + row * stride + column];
        transposed[column * rows + row] = value;
        long index = ((long) (column / lanes) * rows + row) * lanes + column % lanes;
        panels.set(LittleEndian.FLOAT, index * Float.BYTES, value);
      }
    }
  }

  private void addBlock(
      EncodedTensor matrix,
      FloatArray transposed,
      int block,
      FloatArray products,
      double[][] sums) {
    int rows = matrix.shape().columns();
    int columns = sums.length;
    int start = block * BLOCK_COLUMNS;
    int count = Math.min(BLOCK_COLUMNS, columns - start);
    int panels = Math.ceilDiv(start + count, matrix.encoding().rowsPerPanel());
    TokenActivations x = TokenActivations.of(transposed, start * rows, rows, count);
    kernels.multiply(matrix, x, products, 0, columns, 0, panels);
    for (int i = 0; i < count; i++) {
      double[] sum = sums[start + i];
      for (int j = 0; j <= start + i; j++) {
        sum[j] += products.get(i * columns + j);
      }
    }
  }

  /** An empty sum of second moments of so many columns, for {@link #add}. */
  public static double[][] newSums(int columns) {
    double[][] sums = new double[columns][];
    Arrays.setAll(sums, i -> new double[i + 1]);
    return sums;
  }
}
