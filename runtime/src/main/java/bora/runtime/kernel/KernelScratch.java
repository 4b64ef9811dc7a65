package bora.runtime.kernel;

import bora.formats.encoding.Encoding;

/** Working memory of one thread, kept between calls; it grows with the widest matrix met. */
final class KernelScratch {
  private static final ThreadLocal<KernelScratch> OF_THREAD =
      ThreadLocal.withInitial(KernelScratch::new);

  private float[] activations = {};
  private float[] steps = {};

  /** Addresses of four vectors of rows. */
  final long[] addresses = new long[4];

  /** Sums of four vectors of rows. */
  final float[] sums = new float[4 * Lanes.COUNT];

  /** Decoded weights: column c of panel p at {@code (p * TILE_COLUMNS + c) * 16}. */
  final float[] tile =
      new float[MatrixByTokens.TILE_PANELS * MatrixByTokens.TILE_COLUMNS * Lanes.PANEL_ROWS];

  /** Sums that may not all be stored: those of eight tokens and two vectors of rows. */
  final float[] edge = new float[8 * 2 * Lanes.COUNT];

  private KernelScratch() {}

  static KernelScratch ofThread() {
    return OF_THREAD.get();
  }

  /** At least {@code count} floats of unknown content. */
  float[] activations(long count) {
    if (activations.length < count) {
      activations = new float[Math.toIntExact(count)];
    }
    return activations;
  }

  /** Room for the steps of four vectors of rows; see {@link GridScales#decode}. */
  float[] steps(int blocks) {
    int count = Math.multiplyExact(blocks, 4 * Lanes.COUNT);
    if (steps.length < count) {
      steps = new float[count];
    }
    return steps;
  }

  /** Columns, rounded up to whole blocks of the widest encoding. */
  static int paddedColumns(int columns) {
    return Math.toIntExact(Encoding.alignUp(columns, MatrixByTokens.BLOCK_COLUMNS));
  }
}
