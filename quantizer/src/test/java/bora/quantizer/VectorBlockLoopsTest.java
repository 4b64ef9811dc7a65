package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarCodes;
import bora.formats.encoding.ScalarGrid;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** That vectors give what the definition gives, bit for bit; run at several widths. */
class VectorBlockLoopsTest {
  private static final List<Encoding> SCALARS =
      List.of(Encoding.Q8, Encoding.Q6, Encoding.Q5, Encoding.Q4, Encoding.Q3, Encoding.Q2);

  static List<Arguments> shapes() {
    List<Arguments> shapes = new ArrayList<>();
    for (Encoding encoding : SCALARS) {
      for (int rows : new int[] {1, 16, 33}) {
        for (int columns : new int[] {1, 63, 64, 65, 128, 190}) {
          shapes.add(Arguments.of(encoding, rows, columns));
        }
      }
    }
    return shapes;
  }

  /** Weights of all sizes, zeros and some far beyond what the steps reach. */
  private static LaneGroup group(int rows, int columns, Random random) throws IOException {
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      double size = StrictMath.pow(2, random.nextInt(40) - 30.0);
      values[i] = random.nextInt(8) == 0 ? 0 : (float) (random.nextGaussian() * size);
    }
    values[random.nextInt(values.length)] = Float.MAX_VALUE;
    LaneGroup group = new LaneGroup(64);
    group.read(TestWeights.matrix(rows, columns, values), 0, ScalarGrid.LANES);
    return group;
  }

  private static double[] reaches(int lanes, Random random) {
    double[] reaches = new double[ScalarGrid.SUB_SCALE_COUNT * lanes];
    for (int lane = 0; lane < lanes; lane++) {
      double scale = random.nextInt(6) == 0 ? -1 : StrictMath.pow(2, random.nextInt(20) - 12.0);
      for (int step = 0; step < ScalarGrid.SUB_SCALE_COUNT; step++) {
        reaches[step * lanes + lane] = scale < 0 ? -1 : scale * ScalarGrid.subScale(step);
      }
    }
    return reaches;
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void equalTheDefinition(Encoding encoding, int rows, int columns) throws IOException {
    Random random = new Random(31 * rows + columns);
    LaneGroup group = group(rows, columns, random);
    int lanes = group.lanes();
    float[] inverseSteps = new float[lanes];
    float[] biases = new float[lanes];
    for (int lane = 0; lane < lanes; lane++) {
      boolean zeros = random.nextInt(5) == 0;
      inverseSteps[lane] = zeros ? 0 : (float) StrictMath.pow(2, random.nextInt(16) - 4.0) * 1.3f;
      biases[lane] = zeros ? 0 : BlockLoops.roundingBias(encoding);
    }
    BlockLoops definition = new ScalarBlockLoops(encoding);
    BlockLoops vectors = new VectorBlockLoops(encoding);
    int blocks = encoding.blockCount(columns);
    double[][] largest = new double[2][blocks * lanes];
    for (int block = 0; block < blocks; block++) {
      definition.largest(group, block, largest[0]);
      vectors.largest(group, block, largest[1]);
      double[] reaches = reaches(lanes, random);
      int[][] indices = new int[2][lanes];
      definition.coveringSteps(reaches, largest[0], block * lanes, lanes, indices[0]);
      vectors.coveringSteps(reaches, largest[0], block * lanes, lanes, indices[1]);
      assertArrayEquals(indices[0], indices[1]);
      double[][] errors = new double[2][lanes];
      definition.squaredErrors(group, block, inverseSteps, errors[0]);
      vectors.squaredErrors(group, block, inverseSteps, errors[1]);
      assertArrayEquals(errors[0], errors[1]);
      int[][] words = new int[2][ScalarCodes.unitCount(encoding) * lanes];
      definition.codes(group, block, inverseSteps, biases, words[0]);
      vectors.codes(group, block, inverseSteps, biases, words[1]);
      assertArrayEquals(words[0], words[1]);
    }
    assertArrayEquals(largest[0], largest[1]);
  }
}
