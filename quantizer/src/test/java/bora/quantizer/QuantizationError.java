package bora.quantizer;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.TensorShape;
import java.io.IOException;

/**
 * How far a decoded tensor is from its weights.
 *
 * @param elementCount number of weights
 * @param squaredError sum of the squared differences
 * @param squaredNorm sum of the squared weights
 * @param maxAbsError largest difference
 */
record QuantizationError(
    long elementCount, double squaredError, double squaredNorm, double maxAbsError) {
  private static final int TILE_COLUMNS = 256;

  /** The error of nothing, to add others to. */
  static final QuantizationError NONE = new QuantizationError(0, 0, 0, 0);

  /**
   * Compares every weight with what the scalar definition of the encoding decodes, one panel at a
   * time.
   *
   * @throws IllegalArgumentException when the shapes differ
   */
  static QuantizationError measure(WeightSource source, EncodedTensor encoded) throws IOException {
    if (!source.shape().equals(encoded.shape())) {
      throw new IllegalArgumentException(
          source.key() + ": expected shape " + source.shape() + ", found " + encoded.shape());
    }
    return source.shape().isVector()
        ? measureVector(source, encoded)
        : measureMatrix(source, encoded);
  }

  private static QuantizationError measureVector(WeightSource source, EncodedTensor encoded)
      throws IOException {
    int length = source.shape().columns();
    float[] expected = new float[length];
    float[] found = new float[length];
    source.readRows(0, 1, expected, 0);
    encoded.decodeRow(0, found, 0);
    return NONE.plus(expected, found, length);
  }

  private static QuantizationError measureMatrix(WeightSource source, EncodedTensor encoded)
      throws IOException {
    TensorShape shape = source.shape();
    int columns = shape.columns();
    int lanes = encoded.encoding().rowsPerPanel();
    LaneGroup group = new LaneGroup(lanes);
    float[] expected = new float[TILE_COLUMNS * lanes];
    float[] found = new float[TILE_COLUMNS * lanes];
    QuantizationError sum = NONE;
    for (int panel = 0; panel < encoded.encoding().panelCount(shape.rows()); panel++) {
      group.read(source, panel * lanes, lanes);
      for (int column = 0; column < columns; column += TILE_COLUMNS) {
        int width = Math.min(TILE_COLUMNS, columns - column);
        int length = width * lanes;
        encoded
            .encoding()
            .decoder()
            .decodeTile(encoded.panel(panel), columns, column, width, found);
        System.arraycopy(group.values(), column * lanes, expected, 0, length);
        sum = sum.plus(expected, found, length);
      }
    }
    long padding = (long) (group.lanes() - group.rowCount()) * columns;
    return new QuantizationError(
        sum.elementCount - padding, sum.squaredError, sum.squaredNorm, sum.maxAbsError);
  }

  private QuantizationError plus(float[] expected, float[] found, int length) {
    double error = squaredError;
    double norm = squaredNorm;
    double max = maxAbsError;
    for (int i = 0; i < length; i++) {
      double difference = (double) expected[i] - found[i];
      error += difference * difference;
      norm += (double) expected[i] * expected[i];
      max = Math.max(max, Math.abs(difference));
    }
    return new QuantizationError(elementCount + length, error, norm, max);
  }

  /** The error of both together. */
  QuantizationError plus(QuantizationError other) {
    return new QuantizationError(
        Math.addExact(elementCount, other.elementCount),
        squaredError + other.squaredError,
        squaredNorm + other.squaredNorm,
        Math.max(maxAbsError, other.maxAbsError));
  }

  /** Squared error relative to the squared weights; 0 where there is no error. */
  double relativeSquared() {
    return squaredError == 0 ? 0 : squaredError / squaredNorm;
  }

  /** The signal-to-noise ratio in decibels; infinite where there is no error. */
  double decibels() {
    return -10 * StrictMath.log10(relativeSquared());
  }
}
