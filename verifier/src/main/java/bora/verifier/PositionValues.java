package bora.verifier;

/**
 * A vector of values for every position of a sequence.
 *
 * @param width values a position
 * @param values row-major [positions, width]
 */
public record PositionValues(int width, float[] values) {
  /**
   * @throws IllegalArgumentException when the values are no whole number of positions
   */
  public PositionValues {
    if (width < 1 || values.length % width != 0) {
      throw new IllegalArgumentException(
          "position values: " + values.length + " values do not make rows of " + width);
    }
  }

  /** Room for {@code positions} vectors. */
  public static PositionValues ofPositions(int positions, int width) {
    return new PositionValues(width, new float[Math.multiplyExact(positions, width)]);
  }

  public int positions() {
    return values.length / width;
  }

  /** Index in {@link #values} of a position's first value. */
  public int offset(int position) {
    return position * width;
  }

  public float at(int position, int index) {
    return values[offset(position) + index];
  }
}
