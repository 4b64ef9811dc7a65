package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class OutputFeedbackTest {
  private static final int DIRECTIONS = 3;

  private static double[][] directions(int rows, double length) {
    Random random = new Random(3);
    double[][] directions = new double[DIRECTIONS][rows];
    for (double[] direction : directions) {
      for (int row = 0; row < rows; row++) {
        direction[row] = length * random.nextGaussian() / Math.sqrt(rows);
      }
    }
    return directions;
  }

  /** {@code (I + V V^T)} at two rows. */
  private static double metric(double[][] directions, int row, int other) {
    double sum = row == other ? 1 : 0;
    for (double[] direction : directions) {
      sum += direction[row] * direction[other];
    }
    return sum;
  }

  @Test
  void rowsThatAreLeftTakeWhatMinimisesTheLoss() throws IOException {
    int first = OutputFeedback.GROUP_ROWS;
    int rows = first + 20;
    double[][] directions = directions(rows, 5);
    OutputFeedback output = new OutputFeedback(directions);
    LaneGroup group = new LaneGroup(first);
    double[] sums = output.newSums(1);
    double[] shifts = new double[first];
    double[] all = new double[rows];

    group.read(TestWeights.gaussian(rows, 1, 1, 1), 0, 16);
    float[] errors = new float[group.lanes()];
    Random random = new Random(2);
    for (int row = 0; row < first; row++) {
      errors[row] = (float) random.nextGaussian();
      all[row] = errors[row];
    }
    output.shift(group, 0, sums, shifts);
    output.add(group, 0, errors, shifts, sums);

    group.read(TestWeights.gaussian(rows, 1, 1, 1), first, 16);
    float[] before = group.values().clone();
    output.shift(group, first, sums, shifts);
    for (int row = first; row < rows; row++) {
      int lane = row - first;
      assertEquals(before[lane] + (float) shifts[lane], group.values()[lane]);
      all[row] = -shifts[lane];
    }
    for (int row = first; row < rows; row++) {
      double slope = 0;
      for (int other = 0; other < rows; other++) {
        slope += metric(directions, row, other) * all[other];
      }
      assertEquals(0, slope, 1e-5);
    }
  }

  private static float[][] errors(SampledMatrix source, Encoding encoding, OutputFeedback output)
      throws IOException {
    int columns = source.shape().columns();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    new FeedbackEncoder()
        .encode(
            source,
            encoding,
            FeedbackFactor.identity(columns),
            output,
            chunk -> {
              byte[] copy = new byte[chunk.remaining()];
              chunk.get(copy);
              out.writeBytes(copy);
            });
    EncodedTensor encoded =
        new EncodedTensor(encoding, source.shape(), MemorySegment.ofArray(out.toByteArray()));
    float[][] errors = new float[source.shape().rows()][columns];
    for (int row = 0; row < errors.length; row++) {
      encoded.decodeRow(row, errors[row], 0);
      for (int column = 0; column < columns; column++) {
        errors[row][column] = source.values()[row * columns + column] - errors[row][column];
      }
    }
    return errors;
  }

  private static double squares(float[][] errors) {
    double sum = 0;
    for (float[] row : errors) {
      for (float error : row) {
        sum += error * error;
      }
    }
    return sum;
  }

  private static double squaresAlong(double[][] directions, float[][] errors) {
    double sum = 0;
    for (double[] direction : directions) {
      for (int column = 0; column < errors[0].length; column++) {
        double along = 0;
        for (int row = 0; row < errors.length; row++) {
          along += direction[row] * errors[row][column];
        }
        sum += along * along;
      }
    }
    return sum;
  }

  @ParameterizedTest
  @EnumSource(names = {"Q3", "Q8", "T2"})
  void losesLittleInDirectionsThatMatter(Encoding encoding) throws IOException {
    int rows = 8 * OutputFeedback.GROUP_ROWS - 5;
    double[][] directions = directions(rows, 10);
    SampledMatrix source = TestWeights.gaussian(rows, 65, 0.02, 4);
    float[][] plain = errors(source, encoding, OutputFeedback.NONE);
    float[][] fedBack = errors(source, encoding, new OutputFeedback(directions));
    double along = squaresAlong(directions, fedBack) / squaresAlong(directions, plain);
    double all = squares(fedBack) / squares(plain);
    assertTrue(along < 0.25, "along directions: " + along);
    assertTrue(all < 1.1, "in all: " + all);
  }
}
