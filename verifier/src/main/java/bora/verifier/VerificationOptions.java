package bora.verifier;

/**
 * How a verification is done.
 *
 * @param nearTieMargin a router decision of the reference is a near tie when the logit of the last
 *     expert taken is above that of the next one by at most this
 * @param maxDecodePositions how many positions, over all sequences in order, are run by decode
 * @param maxImposedPositions sequences in which the candidate's router took other experts are run
 *     again under the reference's choices, until so many positions have been; 0 for none
 */
public record VerificationOptions(
    double nearTieMargin, int maxDecodePositions, int maxImposedPositions) {
  /**
   * Far above the rounding of float32 router logits (about 1e-6), far below the distances that
   * quantization moves them by.
   */
  public static final double DEFAULT_NEAR_TIE_MARGIN = 1e-4;

  /** All of a recorded reference as bora's examples have them; the beginning of long windows. */
  public static final int DEFAULT_MAX_DECODE_POSITIONS = 1024;

  /** The same: enough to see which share of the divergence the flips cause. */
  public static final int DEFAULT_MAX_IMPOSED_POSITIONS = 1024;

  /**
   * @throws IllegalArgumentException when the margin is negative or nothing is to be decoded
   */
  public VerificationOptions {
    if (!(nearTieMargin >= 0) || maxDecodePositions < 1 || maxImposedPositions < 0) {
      throw new IllegalArgumentException(
          "expected a margin of at least 0, decode positions and no fewer than 0 imposed ones,"
              + " found "
              + nearTieMargin
              + ", "
              + maxDecodePositions
              + " and "
              + maxImposedPositions);
    }
  }

  public static VerificationOptions defaults() {
    return new VerificationOptions(
        DEFAULT_NEAR_TIE_MARGIN, DEFAULT_MAX_DECODE_POSITIONS, DEFAULT_MAX_IMPOSED_POSITIONS);
  }
}
