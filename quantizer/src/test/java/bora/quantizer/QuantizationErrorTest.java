package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class QuantizationErrorTest {
  @ParameterizedTest
  @EnumSource(Encoding.class)
  void isTheDifferenceOfWeightsAndDecodedRows(Encoding encoding) throws IOException {
    SampledMatrix weights = TestWeights.gaussian(19, 300, 0.02, 21);
    EncodedTensor encoded = TestWeights.encode(weights, encoding);
    double squared = 0;
    double norm = 0;
    double max = 0;
    float[] decoded = new float[300];
    for (int row = 0; row < 19; row++) {
      encoded.decodeRow(row, decoded, 0);
      for (int column = 0; column < 300; column++) {
        double weight = weights.values()[row * 300 + column];
        double difference = weight - decoded[column];
        squared += difference * difference;
        norm += weight * weight;
        max = Math.max(max, Math.abs(difference));
      }
    }
    QuantizationError error = QuantizationError.measure(weights, encoded);
    assertEquals(19 * 300, error.elementCount());
    assertEquals(max, error.maxAbsError());
    // The sums differ in their order alone.
    assertEquals(squared, error.squaredError(), squared * 1e-12);
    assertEquals(norm, error.squaredNorm(), norm * 1e-12);
  }

  @Test
  void isInfiniteDecibelsWithoutError() throws IOException {
    SampledMatrix weights = TestWeights.vector(1, 2, 3);
    QuantizationError error =
        QuantizationError.measure(weights, TestWeights.encode(weights, Encoding.F32));
    assertEquals(Double.POSITIVE_INFINITY, error.decibels());
    assertEquals(0, error.relativeSquared());
  }

  @Test
  void addsUp() {
    QuantizationError sum =
        new QuantizationError(2, 1, 10, 0.5).plus(new QuantizationError(3, 2, 20, 0.25));
    assertEquals(new QuantizationError(5, 3, 30, 0.5), sum);
    assertEquals(10, sum.decibels());
  }

  @Test
  void refusesAnotherShape() throws IOException {
    EncodedTensor encoded = TestWeights.encode(TestWeights.gaussian(3, 4, 1, 1), Encoding.Q4);
    assertThrows(
        IllegalArgumentException.class,
        () -> QuantizationError.measure(TestWeights.gaussian(4, 3, 1, 1), encoded));
  }
}
