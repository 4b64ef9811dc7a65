package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisPanel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** How good the columns are, and that they are the ones that decode. */
final class TrellisQuantizerTest {
  private static final int ROWS = TrellisPanel.ROWS;

  static Stream<Encoding> trellises() {
    return Stream.of(Encoding.values()).filter(Encoding::isTrellis);
  }

  /** Decibels above 4^-K, the least error that any code of K bits can have on Gaussian weights. */
  static List<Arguments> gaussianErrors() {
    return List.of(
        Arguments.of(Encoding.T1, 0.70),
        Arguments.of(Encoding.T2, 0.80),
        Arguments.of(Encoding.T3, 1.05),
        Arguments.of(Encoding.T4, 1.30),
        Arguments.of(Encoding.T5, 1.75));
  }

  @ParameterizedTest
  @MethodSource("gaussianErrors")
  void comesAsCloseToTheBoundAsMeasured(Encoding encoding, double decibels) throws IOException {
    SampledMatrix weights = TestWeights.gaussian(ROWS, 256, 0.02, 11);
    double error =
        QuantizationError.measure(weights, TestWeights.encode(weights, encoding)).relativeSquared();
    double aboveBound = 10 * Math.log10(error * Math.pow(4, encoding.codeBits()));
    assertTrue(aboveBound > 0 && aboveBound < decibels, "found " + aboveBound + " dB");
  }

  /** Powers of two change the scales and nothing else. */
  @ParameterizedTest
  @MethodSource("trellises")
  void rowsOfAnySizeAreEncodedAlike(Encoding encoding) throws IOException {
    SampledMatrix weights = TestWeights.gaussian(ROWS, 40, 0.02, 13);
    double[] even = relativeErrors(weights, encoding);
    scaleRows(weights, row -> (float) StrictMath.pow(2, 3 * (row % 9) - 12));
    assertArrayEquals(even, relativeErrors(weights, encoding));
  }

  private static void scaleRows(SampledMatrix weights, IntFunction<Float> scale) {
    int columns = weights.shape().columns();
    for (int i = 0; i < weights.values().length; i++) {
      weights.values()[i] *= scale.apply(i / columns);
    }
  }

  private static double[] relativeErrors(SampledMatrix weights, Encoding encoding)
      throws IOException {
    EncodedTensor encoded = TestWeights.encode(weights, encoding);
    int columns = weights.shape().columns();
    double[] squares = weights.rowSquares();
    double[] errors = new double[ROWS];
    float[] decoded = new float[columns];
    for (int row = 0; row < ROWS; row++) {
      encoded.decodeRow(row, decoded, 0);
      for (int column = 0; column < columns; column++) {
        double difference = weights.values()[row * columns + column] - decoded[column];
        errors[row] += difference * difference / squares[row];
      }
    }
    return errors;
  }

  @ParameterizedTest
  @MethodSource("trellises")
  void saysWhatTheBytesMean(Encoding encoding) {
    int columns = 21;
    byte[] bytes = new byte[(int) encoding.panelBytes(columns)];
    new Random(1).nextBytes(bytes);
    MemorySegment panel = MemorySegment.ofArray(bytes);
    float[] rowScales = new float[ROWS];
    for (int row = 0; row < ROWS; row++) {
      rowScales[row] = row == 7 ? 0 : RowScales.trellis(encoding, 0.5 + row);
    }
    TrellisColumnCoder coder = new TrellisColumnCoder(encoding);
    coder.begin(panel, columns, rowScales);
    Random random = new Random(2);
    float[][] said = new float[columns][ROWS];
    for (int column = 0; column < columns; column++) {
      float[] targets = new float[ROWS];
      for (int row = 0; row < ROWS; row++) {
        targets[row] = (float) (random.nextGaussian() * (0.5 + row));
      }
      coder.encodeColumn(targets, column, said[column]);
    }
    for (int column = 0; column < columns; column++) {
      float[] meant = new float[ROWS];
      encoding.decoder().decodeTile(panel, columns, column, 1, meant);
      assertArrayEquals(meant, said[column]);
    }
  }

  /** Of two rows that count and one after them that fixes some bits, all strings can be tried. */
  @ParameterizedTest
  @CsvSource({"T1, -60, 12.5", "T2, 33, -71", "T3, -5, 90", "T4, 100, 3", "T5, -8.75, 20"})
  void findsTheBestValuesOfRowsThatCount(Encoding encoding, float first, float second) {
    for (int row : new int[] {20, 0, 63}) {
      int next = (row + 1) % ROWS;
      float[] weights = new float[ROWS];
      weights[row] = 1;
      weights[next] = 1;
      float[] targets = new float[ROWS];
      targets[row] = first;
      targets[next] = second;
      int[] states = new int[ROWS];
      TrellisSearch search = new TrellisSearch(encoding);
      search.search(targets, weights, states);
      double found = pairError(search, states[row], states[next], first, second);
      double best = Double.POSITIVE_INFINITY;
      for (int after = 0; after < 4096; after++) {
        for (int symbol = 0; symbol < 1 << encoding.codeBits(); symbol++) {
          int state = (after << encoding.codeBits() | symbol) & 4095;
          best = Math.min(best, pairError(search, state, after, first, second));
        }
      }
      assertEquals(best, found, 1e-3 * (1 + best));
    }
  }

  private static double pairError(
      TrellisSearch search, int first, int second, float firstTarget, float secondTarget) {
    double a = search.value(first) - firstTarget;
    double b = search.value(second) - secondTarget;
    return a * a + b * b;
  }

  /** The states that a search tells of are those of the symbols, around the circle. */
  @ParameterizedTest
  @MethodSource("trellises")
  void statesFollowFromTheSymbolsOfTheRowsAfterThem(Encoding encoding) {
    int bits = encoding.codeBits();
    TrellisSearch search = new TrellisSearch(encoding);
    Random random = new Random(3);
    float[] weights = new float[ROWS];
    float[] targets = new float[ROWS];
    int[] states = new int[ROWS];
    for (int column = 0; column < 20; column++) {
      for (int row = 0; row < ROWS; row++) {
        weights[row] = random.nextInt(8) == 0 ? 0 : 1;
        targets[row] = (float) (random.nextGaussian() * (row < 32 ? 40 : 4000));
      }
      search.search(targets, weights, states);
      for (int row = 0; row < ROWS; row++) {
        int after = states[(row + 1) % ROWS];
        assertEquals(after & ((1 << (12 - bits)) - 1), states[row] >> bits, "row " + row);
      }
    }
  }
}
