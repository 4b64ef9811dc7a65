package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.TrellisCode;
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

/** How good the strings are, and that they are the ones that decode. */
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

  static List<Arguments> trellisesAndStateBits() {
    return trellises()
        .flatMap(
            encoding ->
                Stream.of(encoding.codeBits() + 4, TrellisCode.maxStateBits(encoding))
                    .map(stateBits -> Arguments.of(encoding, stateBits)))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("trellisesAndStateBits")
  void saysWhatTheBytesMean(Encoding encoding, int stateBits) {
    int columns = 21;
    byte[] bytes = new byte[(int) encoding.panelBytes(columns)];
    new Random(1).nextBytes(bytes);
    MemorySegment panel = MemorySegment.ofArray(bytes);
    float[] rowScales = new float[ROWS];
    for (int row = 0; row < ROWS; row++) {
      rowScales[row] = row == 7 ? 0 : RowScales.trellis(encoding, 0.5 + row);
    }
    TrellisColumnCoder coder = new TrellisColumnCoder(encoding, stateBits);
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

  /** With so few bits every string of a short alphabet could be tried; here, of two free rows. */
  @ParameterizedTest
  @CsvSource({"T1, 5", "T2, 6", "T3, 7"})
  void findsTheBestValuesOfRowsThatCount(Encoding encoding, int stateBits) {
    TrellisSearch search = new TrellisSearch(encoding, stateBits);
    float[] weights = new float[ROWS];
    weights[20] = 1;
    weights[21] = 1;
    float[] targets = new float[ROWS];
    targets[20] = 0.3f;
    targets[21] = -0.9f;
    int[] states = new int[ROWS];
    search.search(targets, weights, states);
    double found = pairError(search, states[20], states[21]);
    double best = Double.POSITIVE_INFINITY;
    for (int state = 0; state < 1 << stateBits; state++) {
      for (int symbol = 0; symbol < 1 << encoding.codeBits(); symbol++) {
        int next = (state << encoding.codeBits() | symbol) & (1 << stateBits) - 1;
        best = Math.min(best, pairError(search, state, next));
      }
    }
    assertEquals(best, found, 1e-6);
  }

  private static double pairError(TrellisSearch search, int first, int second) {
    double a = search.value(first) - 0.3f;
    double b = search.value(second) + 0.9f;
    return a * a + b * b;
  }

  @ParameterizedTest
  @CsvSource({"T1, 4", "T1, 10", "T4, 7", "T5, 13"})
  void refusesStatesThatTheFormatDoesNotHave(Encoding encoding, int stateBits) {
    IllegalArgumentException thrown =
        assertThrows(
            IllegalArgumentException.class, () -> new TrellisColumnCoder(encoding, stateBits));
    assertTrue(thrown.getMessage().endsWith("found " + stateBits), thrown.getMessage());
  }
}
