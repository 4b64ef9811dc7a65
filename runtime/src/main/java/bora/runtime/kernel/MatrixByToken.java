package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import java.util.Arrays;

/**
 * A matrix by one token: the step of decoding, bound by the speed at which the stored bytes come
 * from memory. Four vectors of rows are read side by side, at 512 bits from four panels a quarter
 * of the range apart: one stream alone does not keep enough cache lines on their way, and four rows
 * share each activation.
 */
final class MatrixByToken {
  private static final int VECTORS = 4;
  private static final int STREAMS = VECTORS / Lanes.PARTS;

  private MatrixByToken() {}

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
      int panelStart,
      int panelEnd) {
    KernelScratch scratch = KernelScratch.ofThread();
    int columns = matrix.shape().columns();
    int paddedColumns = KernelScratch.paddedColumns(columns);
    float[] activations = scratch.activations(paddedColumns);
    if (rounding) {
      scratch.rounded.round(x.values(), x.offset(0), columns);
      if (matrix.encoding() == Encoding.Q4) {
        scratch.q4Factors.resize(1, columns);
        scratch.q4Factors.put(0, scratch.rounded);
      } else {
        scratch.rounded.values(activations, 0);
      }
    } else {
      System.arraycopy(x.values(), x.offset(0), activations, 0, columns);
      Arrays.fill(activations, columns, paddedColumns, 0);
    }

    int panels = panelEnd - panelStart;
    int panelsPerStream = Math.ceilDiv(panels, STREAMS);
    for (int i = 0; i < panelsPerStream; i++) {
      // A stream that has no panel left does the last one again.
      for (int vector = 0; vector < VECTORS; vector++) {
        int panel = panelOf(vector, i, panelsPerStream, panels, panelStart);
        prepare(matrix, panel, vector, scratch);
      }
      multiply(matrix, rounding, activations, scratch);
      for (int vector = 0; vector < VECTORS; vector++) {
        int panel = panelOf(vector, i, panelsPerStream, panels, panelStart);
        int row = panel * Lanes.PANEL_ROWS + vector % Lanes.PARTS * Lanes.COUNT;
        int count = Math.min(Lanes.COUNT, matrix.shape().rows() - row);
        if (count > 0) {
          System.arraycopy(scratch.sums, vector * Lanes.COUNT, y, yOffset + row, count);
        }
      }
    }
  }

  private static int panelOf(int vector, int i, int panelsPerStream, int panels, int panelStart) {
    return panelStart + Math.min(vector / Lanes.PARTS * panelsPerStream + i, panels - 1);
  }

  private static void prepare(EncodedTensor matrix, int panel, int vector, KernelScratch scratch) {
    Encoding encoding = matrix.encoding();
    int columns = matrix.shape().columns();
    long panelAddress = matrix.bytes().address() + panel * encoding.panelBytes(columns);
    int part = vector % Lanes.PARTS;
    scratch.addresses[vector] =
        panelAddress + encoding.codesOffsetBytes(columns) + (long) part * Lanes.COUNT * Float.BYTES;
    if (encoding.isScalar()) {
      int blocks = encoding.blockCount(columns);
      GridScales.decode(panelAddress, part, 0, blocks, scratch.steps(blocks), vector);
    }
  }

  private static void multiply(
      EncodedTensor matrix, boolean rounding, float[] x, KernelScratch scratch) {
    long p0 = scratch.addresses[0];
    long p1 = scratch.addresses[1];
    long p2 = scratch.addresses[2];
    long p3 = scratch.addresses[3];
    float[] sums = scratch.sums;
    int blocks = matrix.encoding().blockCount(matrix.shape().columns());
    switch (matrix.encoding()) {
      case F32 -> DenseKernels.multiplyF32(p0, p1, p2, p3, blocks, x, sums);
      case BF16 -> DenseKernels.multiplyBF16(p0, p1, p2, p3, blocks, x, sums);
      case Q8 -> Q8Kernels.multiply(p0, p1, p2, p3, blocks, x, scratch.steps(blocks), sums);
      case Q6 -> Q6Kernels.multiply(p0, p1, p2, p3, blocks, x, scratch.steps(blocks), sums);
      case Q4 -> {
        float[] steps = scratch.steps(blocks);
        if (rounding) {
          Q4IntegerKernels.multiply(p0, p1, p2, p3, blocks, scratch.q4Factors, steps, sums);
        } else {
          Q4Kernels.multiply(p0, p1, p2, p3, blocks, x, steps, sums);
        }
      }
      case Q5, Q3, Q2 -> {
        int bits = matrix.encoding().codeBits();
        PairedKernels.multiply(bits, p0, p1, p2, p3, blocks, x, scratch.steps(blocks), sums);
      }
      case T1, T2, T3, T4, T5 -> throw new AssertionError(matrix.encoding());
    }
  }
}
