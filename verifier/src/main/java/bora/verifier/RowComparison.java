package bora.verifier;

/** One tensor's encoded weights against the right ones, gathered row by row. */
interface RowComparison {
  /**
   * @param expected the row's right weights
   */
  void addRow(int row, float[] expected);

  TensorError result();
}
