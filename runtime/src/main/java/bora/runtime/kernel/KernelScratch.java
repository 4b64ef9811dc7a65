package bora.runtime.kernel;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisPanel;

/** Working memory of one thread, kept between calls; it grows with the widest matrix met. */
final class KernelScratch {
  private static final ThreadLocal<KernelScratch> OF_THREAD =
      ThreadLocal.withInitial(KernelScratch::new);

  private float[] activations = {};
  private float[] roundedValues = {};
  private float[] steps = {};
  private float[] trellisSums = {};

  /** Addresses of four vectors of rows. */
  final long[] addresses = new long[4];

  /** Sums of four vectors of rows. */
  final float[] sums = new float[4 * Lanes.COUNT];

  /** Decoded weights: column c of panel p at {@code (p * TILE_COLUMNS + c) * 16}. */
  final float[] tile =
      new float
          [Math.max(MatrixByTokens.TILE_PANELS, TrellisPanel.ROWS / Lanes.PANEL_ROWS)
              * MatrixByTokens.PANEL_FLOATS];

  /** Activations of one token, rounded. */
  final RoundedActivations rounded = new RoundedActivations();

  /** Rounded activations for {@code q4}. */
  final Q4Factors q4Factors = new Q4Factors();

  /** Sums of integers; see {@link Q4IntegerKernels#dot8}. */
  final int[] integerSums = new int[Q4ByTokens.TILE_RUNS * 16 * Lanes.COUNT];

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

  /** Room for a token's rounded activations, in whole blocks. */
  float[] roundedValues(int columns) {
    int count = paddedColumns(columns);
    if (roundedValues.length < count) {
      roundedValues = new float[count];
    }
    return roundedValues;
  }

  /** Room for the steps of four vectors of rows; see {@link GridScales#decode}. */
  float[] steps(int blocks) {
    int count = Math.multiplyExact(blocks, 4 * Lanes.COUNT);
    if (steps.length < count) {
      steps = new float[count];
    }
    return steps;
  }

  /** Room for the sums of a trellis panel and some tokens. */
  float[] trellisSums(int tokens) {
    int count = Math.multiplyExact(tokens, TrellisPanel.ROWS);
    if (trellisSums.length < count) {
      trellisSums = new float[count];
    }
    return trellisSums;
  }

  /** Columns, rounded up to whole blocks of the widest encoding. */
  static int paddedColumns(int columns) {
    return Math.toIntExact(Encoding.alignUp(columns, MatrixByTokens.BLOCK_COLUMNS));
  }
}
