package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;

/**
 * What {@link ScalarQuantizer} does with every weight: loops over the columns of a block and the
 * lanes of a group. A weight's code is {@code weight / step + roundingBias}, cut to an integer of
 * the encoding's bits. Sums are taken in the order of the columns.
 */
sealed interface BlockLoops permits ScalarBlockLoops, VectorBlockLoops {
  /** Added to a weight in steps, turns truncation into rounding to the nearest code. */
  static float roundingBias(Encoding encoding) {
    return ScalarGrid.centre(encoding.codeBits()) + 0.5f;
  }

  /**
   * The largest magnitudes of a block.
   *
   * @param largest receives lane l's at {@code block * group.lanes() + l}
   */
  void largest(LaneGroup group, int block, double[] largest);

  /**
   * The smallest steps that cover a block.
   *
   * @param reaches the largest magnitude that a step covers: step i's of lane l at {@code i * lanes
   *     + l}, never growing with i; step 0 covers every block of its row
   * @param largest the block's largest magnitudes, from {@code largestAt}
   * @param indices receives each lane's
   */
  void coveringSteps(double[] reaches, double[] largest, int largestAt, int lanes, int[] indices);

  /**
   * The squared errors of a block's codes.
   *
   * @param inverseSteps of each lane, 1 / step, or 0 for a step of 0
   * @param errors receives each lane's, in units of its step
   */
  void squaredErrors(LaneGroup group, int block, float[] inverseSteps, double[] errors);

  /**
   * The codes of a block, as {@link bora.formats.encoding.ScalarCodes} puts them into words.
   *
   * @param biases the rounding bias of each lane, but 0 for lanes whose codes are zero
   * @param words receives the word of unit u and lane l at {@code u * group.lanes() + l}; codes of
   *     columns beyond the last are zero
   */
  void codes(LaneGroup group, int block, float[] inverseSteps, float[] biases, int[] words);
}
