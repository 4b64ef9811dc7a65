package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarGrid;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** How good the chosen scales are, and that odd rows get good ones. */
final class ScalarQuantizerTest {
  /**
   * Squared error relative to the squared weights on Gaussian rows of 4096: measured 4.03e-5,
   * 6.29e-4 and 9.27e-3, with 1 % of room for another sample.
   */
  static List<Arguments> gaussianErrors() {
    return List.of(
        Arguments.of(Encoding.Q8, 4.08e-5),
        Arguments.of(Encoding.Q6, 6.36e-4),
        Arguments.of(Encoding.Q5, 2.6e-3),
        Arguments.of(Encoding.Q4, 9.37e-3),
        Arguments.of(Encoding.Q3, 0.036),
        Arguments.of(Encoding.Q2, 0.125));
  }

  @ParameterizedTest
  @MethodSource("gaussianErrors")
  void roundsGaussianRowsAsWellAsMeasured(Encoding encoding, double relativeSquared)
      throws IOException {
    SampledMatrix weights = TestWeights.gaussian(32, 4096, 0.02, 11);
    QuantizationError error =
        QuantizationError.measure(weights, TestWeights.encode(weights, encoding));
    assertTrue(error.relativeSquared() <= relativeSquared, "found " + error.relativeSquared());
  }

  /**
   * How much worse than the best of 12 row scales, each with the best of all sub-scales, an
   * encoding may be. Measured on rows of 1024: 1.022, 1.016 and 1.037; the row scale matters more
   * where a grid has many codes and nothing is clipped, and less in longer rows.
   */
  static List<Arguments> distancesFromOptimum() {
    return List.of(
        Arguments.of(Encoding.Q2, 1.03),
        Arguments.of(Encoding.Q3, 1.03),
        Arguments.of(Encoding.Q4, 1.03),
        Arguments.of(Encoding.Q5, 1.05),
        Arguments.of(Encoding.Q6, 1.05),
        Arguments.of(Encoding.Q8, 1.06));
  }

  @ParameterizedTest
  @MethodSource("distancesFromOptimum")
  void comesCloseToTheBestScalesThatTheFormatHas(Encoding encoding, double factor)
      throws IOException {
    SampledMatrix weights = TestWeights.gaussian(16, 1024, 0.02, 12);
    double best = 0;
    for (int row = 0; row < 16; row++) {
      float[] values = Arrays.copyOfRange(weights.values(), row * 1024, (row + 1) * 1024);
      best += bestRowError(values, encoding.codeBits());
    }
    QuantizationError error =
        QuantizationError.measure(weights, TestWeights.encode(weights, encoding));
    assertTrue(error.squaredError() <= best * factor, error.squaredError() + " against " + best);
  }

  /** The least error over 12 row scales, about the covering one, and all sub-scales. */
  private static double bestRowError(float[] row, int bits) {
    double best = Double.POSITIVE_INFINITY;
    for (int i = 0; i < 12; i++) {
      double factor = StrictMath.pow(2, 0.1 - i / 30.0);
      float rowScale = (float) (largest(row) / (1 << (bits - 1)) * factor);
      double error = 0;
      for (int first = 0; first < row.length; first += ScalarGrid.COLUMNS_PER_BLOCK) {
        error += bestBlockError(row, first, bits, rowScale);
      }
      best = Math.min(best, error);
    }
    return best;
  }

  private static double bestBlockError(float[] row, int first, int bits, float rowScale) {
    double best = Double.POSITIVE_INFINITY;
    for (int index = 0; index < ScalarGrid.SUB_SCALE_COUNT; index++) {
      double step = ScalarGrid.step(rowScale, index);
      double centre = ScalarGrid.centre(bits);
      double error = 0;
      for (int i = first; i < first + ScalarGrid.COLUMNS_PER_BLOCK; i++) {
        double code = Math.clamp(Math.rint(row[i] / step + centre), 0, 2 * centre);
        double difference = row[i] - (code - centre) * step;
        error += difference * difference;
      }
      best = Math.min(best, error);
    }
    return best;
  }

  private static double largest(float[] values) {
    double largest = 0;
    for (float value : values) {
      largest = Math.max(largest, Math.abs(value));
    }
    return largest;
  }

  /** Names of rows and a factor for 256 Gaussian weights, then one weight put in their midst. */
  static List<Arguments> oddRows() {
    return List.of(
        Arguments.of("largest floats", 0x1p125, Float.MAX_VALUE),
        Arguments.of("largest floats, negative", 0x1p125, -Float.MAX_VALUE),
        Arguments.of("huge", 1e37, 0f),
        Arguments.of("small but normal", 0x1p-90, 0f),
        Arguments.of("an outlier", 0.02, 5f),
        Arguments.of("denormals beside an outlier", 1e-40, 1f),
        Arguments.of("denormals", 1e-40, 0f),
        Arguments.of("one weight among zeros", 0.0, -0.3f));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("oddRows")
  void keepsItsBoundsOnOddRows(String name, double deviation, float odd) throws IOException {
    float[] values = new float[256];
    Random random = new Random(name.hashCode());
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (Math.clamp(random.nextGaussian(), -3, 3) * deviation);
    }
    values[100] = odd;
    SampledMatrix weights = TestWeights.matrix(1, 256, values);
    for (Encoding encoding : List.of(Encoding.Q8, Encoding.Q6, Encoding.Q5, Encoding.Q4)) {
      EncodedTensor encoded = TestWeights.encode(weights, encoding);
      float rowScale = rowScale(encoded.bytes(), 0);
      assertScaleIsAllowed(rowScale);
      // No weight of a row is off by more than half a step of the row's scale before any clipping;
      // clipped ones by what a grid finer by two sub-scales loses. Rows below the smallest scale
      // become zeros.
      double bound =
          rowScale == 0
              ? ScalarGrid.MIN_ROW_SCALE * (1 << (encoding.codeBits() - 1))
              : rowScale * 0.26 * (1 << (encoding.codeBits() - 1));
      float[] decoded = new float[256];
      encoded.decodeRow(0, decoded, 0);
      for (int i = 0; i < 256; i++) {
        assertTrue(Float.isFinite(decoded[i]), encoding + " " + i);
        assertEquals(values[i], decoded[i], bound, encoding + " " + i);
      }
      if (odd != 0) {
        // Two sub-scales finer than the covering one, the grid of q4 ends at 0.71 of the largest.
        assertEquals(odd, decoded[100], Math.abs(odd) * 0.3, encoding.toString());
      }
    }
  }

  @Test
  void givesABlockOfZerosTheFinestStep() throws IOException {
    SampledMatrix weights = TestWeights.gaussian(16, 192, 0.02, 13);
    for (int row = 0; row < 16; row++) {
      Arrays.fill(weights.values(), row * 192 + 64, row * 192 + 128, 0);
    }
    EncodedTensor encoded = TestWeights.encode(weights, Encoding.Q4);
    assertEquals(-1L, encoded.bytes().get(LittleEndian.LONG, ScalarGrid.subScalesOffsetBytes(1)));
  }

  @ParameterizedTest
  @EnumSource(names = {"Q2", "Q3", "Q4", "Q5", "Q6", "Q8"})
  void writesOnlyRowScalesThatTheFormatAllows(Encoding encoding) throws IOException {
    SampledMatrix weights = TestWeights.gaussian(64, 64, 1, 14);
    for (int row = 0; row < 64; row++) {
      for (int column = 0; column < 64; column++) {
        weights.values()[row * 64 + column] *= (float) StrictMath.pow(2, 4 * row - 130.0);
      }
    }
    EncodedTensor encoded = TestWeights.encode(weights, encoding);
    for (int row = 0; row < 64; row++) {
      assertScaleIsAllowed(rowScale(encoded.panel(row / 16), row % 16));
    }
  }

  private static void assertScaleIsAllowed(float scale) {
    assertTrue(
        Float.floatToRawIntBits(scale) == 0
            || (scale >= ScalarGrid.MIN_ROW_SCALE && Float.isFinite(scale)),
        "found " + scale);
  }

  private static float rowScale(MemorySegment panel, int lane) {
    return BFloat16.toFloat(panel.get(LittleEndian.SHORT, ScalarGrid.rowScaleOffsetBytes(lane)));
  }
}
