package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.quantizer.calibration.SecondMoments;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Corrected weights do with the inputs that there are what the weights did with the float ones. */
class MismatchCorrectionTest {
  private static final int COLUMNS = 12;
  private static final int ROWS = 4000;
  private static final int OUTPUTS = 5;

  private final Random random = new Random(1);
  private final double[][] exact = gaussian(ROWS, COLUMNS);
  private final double[][] rounded = gaussian(ROWS, COLUMNS);
  private final double[][] residual = gaussian(ROWS, OUTPUTS);

  MismatchCorrectionTest() {
    for (int row = 0; row < ROWS; row++) {
      for (int column = 0; column < COLUMNS; column++) {
        double noise = rounded[row][column];
        double neighbour = exact[row][(column + 1) % COLUMNS];
        rounded[row][column] = 0.9 * exact[row][column] + 0.3 * neighbour + 0.1 * noise;
      }
    }
  }

  private double[][] gaussian(int rows, int columns) {
    double[][] values = new double[rows][columns];
    for (double[] row : values) {
      for (int i = 0; i < columns; i++) {
        row[i] = random.nextGaussian();
      }
    }
    return values;
  }

  /** The sum over rows of {@code left^T right}. */
  private static double[][] products(double[][] left, double[][] right) {
    double[][] sums = new double[left[0].length][right[0].length];
    for (int row = 0; row < left.length; row++) {
      for (int i = 0; i < sums.length; i++) {
        for (int j = 0; j < sums[0].length; j++) {
          sums[i][j] += left[row][i] * right[row][j];
        }
      }
    }
    return sums;
  }

  private SecondMoments moments() {
    double[][] triangle = new double[COLUMNS][];
    double[][] square = products(rounded, rounded);
    for (int i = 0; i < COLUMNS; i++) {
      triangle[i] = java.util.Arrays.copyOf(square[i], i + 1);
    }
    return new SecondMoments(ROWS, List.<double[][]>of(triangle));
  }

  private double[][] differences() {
    double[][] differences = new double[ROWS][COLUMNS];
    for (int row = 0; row < ROWS; row++) {
      for (int i = 0; i < COLUMNS; i++) {
        differences[row][i] = exact[row][i] - rounded[row][i];
      }
    }
    return differences;
  }

  private static float[] values(WeightSource source) throws IOException {
    float[] values = new float[Math.toIntExact(source.shape().elementCount())];
    source.readRows(0, source.shape().rows(), values, 0);
    return values;
  }

  private double squaredError(float[] weights, float[] corrected) {
    double sum = 0;
    for (int row = 0; row < ROWS; row++) {
      for (int output = 0; output < OUTPUTS; output++) {
        double difference = 0;
        for (int i = 0; i < COLUMNS; i++) {
          int at = output * COLUMNS + i;
          difference += weights[at] * exact[row][i] - corrected[at] * rounded[row][i];
        }
        sum += difference * difference;
      }
    }
    return sum;
  }

  @Test
  void outputsComeCloseToThoseOfTheFloatInputs() throws IOException {
    SampledMatrix weights = TestWeights.gaussian(OUTPUTS, COLUMNS, 1, 2);
    SecondMoments moments = moments();
    MismatchCorrection correction =
        new MismatchCorrection(
            FeedbackFactor.of(moments),
            moments,
            List.<double[][]>of(products(differences(), rounded)),
            List.of());
    float[] corrected = values(correction.correct(weights));
    double before = squaredError(weights.values(), weights.values());
    double after = squaredError(weights.values(), corrected);
    assertTrue(after < 0.2 * before, after + " of " + before);
  }

  /** Without a difference of inputs, what is learnt of the residual is half of its regression. */
  @Test
  void takesUpHalfOfTheErrorOfTheResidualStream() throws IOException {
    for (int row = 0; row < ROWS; row++) {
      for (int output = 0; output < OUTPUTS; output++) {
        residual[row][output] = 4 * rounded[row][output] + 0.1 * residual[row][output];
      }
    }
    SampledMatrix weights = TestWeights.gaussian(OUTPUTS, COLUMNS, 1, 2);
    SecondMoments moments = moments();
    MismatchCorrection correction =
        new MismatchCorrection(
            FeedbackFactor.of(moments),
            moments,
            List.<double[][]>of(new double[COLUMNS][COLUMNS]),
            List.<double[][]>of(products(residual, rounded)));
    float[] corrected = values(correction.correct(weights));
    for (int output = 0; output < OUTPUTS; output++) {
      for (int i = 0; i < COLUMNS; i++) {
        int at = output * COLUMNS + i;
        double expected = weights.values()[at] + (i == output ? 2 : 0);
        assertEquals(expected, corrected[at], 0.1);
      }
    }
  }
}
