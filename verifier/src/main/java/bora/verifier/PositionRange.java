package bora.verifier;

/**
 * The positions of a sequence whose predictions are scored.
 *
 * @param first the first one
 * @param end one after the last
 */
public record PositionRange(int first, int end) {
  /**
   * @throws IllegalArgumentException when the range is empty
   */
  public PositionRange {
    if (first < 0 || end <= first) {
      throw new IllegalArgumentException("no positions from " + first + " to " + end);
    }
  }

  boolean contains(int position) {
    return position >= first && position < end;
  }
}
