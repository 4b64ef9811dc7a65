package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.BFloat16;
import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.LittleEndian;
import bora.formats.encoding.ScalarGrid;
import bora.formats.encoding.TrellisPanel;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What every encoding promises, at every awkward shape. */
final class TensorEncoderContractTest {
  private static final int[] ROWS = {1, 15, 16, 17, 33, 130};
  private static final int[] COLUMNS = {1, 2, 63, 64, 65, 100, 128, 300};

  private static final List<Case> CASES = new ArrayList<>();

  private record Case(SampledMatrix weights, EncodedTensor encoded) {
    @Override
    public String toString() {
      return encoded.encoding() + " " + weights.shape();
    }
  }

  /** Encoded once for all tests. */
  @BeforeAll
  static void encodes() throws IOException {
    for (Encoding encoding : Encoding.values()) {
      for (int rows : ROWS) {
        for (int columns : COLUMNS) {
          SampledMatrix weights = TestWeights.gaussian(rows, columns, 0.02, rows + 31L * columns);
          CASES.add(new Case(weights, TestWeights.encode(weights, encoding)));
        }
      }
    }
  }

  static List<Case> cases() {
    return CASES;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void writesTheBytesThatTheShapeAsksFor(Case made) {
    long expected = made.encoded().encoding().encodedBytes(made.weights().shape());
    assertEquals(expected, made.encoded().bytes().byteSize());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void decodesToWithinItsPrecision(Case made) {
    int columns = made.weights().shape().columns();
    float[] decoded = new float[columns];
    for (int row = 0; row < made.weights().shape().rows(); row++) {
      made.encoded().decodeRow(row, decoded, 0);
      for (int column = 0; column < columns; column++) {
        float weight = made.weights().values()[row * columns + column];
        float tolerance = tolerance(made.encoded(), row, column, weight);
        assertEquals(weight, decoded[column], tolerance, row + ", " + column);
      }
    }
  }

  /** Half a step, unless the weight lies beyond the grid; then its distance from the last code. */
  private static float tolerance(EncodedTensor encoded, int row, int column, float weight) {
    Encoding encoding = encoded.encoding();
    if (encoding.isTrellis()) {
      // The whole range; TrellisQuantizerTest has the bounds that matter.
      int rows = encoding.rowsPerPanel();
      float scale = TrellisPanel.rowScale(encoded.panel(row / rows), 0, row % rows);
      return Math.max(255 * scale, Math.abs(weight));
    }
    if (!encoding.isScalar()) {
      return encoding == Encoding.F32 ? 0 : Math.abs(weight) * 0x1p-8f;
    }
    float step = step(encoded, row, column / ScalarGrid.COLUMNS_PER_BLOCK);
    float reach = ScalarGrid.centre(encoding.codeBits()) * step;
    // Twice float's rounding of a quotient of at most 2^8, in steps.
    float rounding = step * 0x1p-15f;
    return Math.max(step / 2, Math.abs(weight) - reach) + rounding;
  }

  private static float step(EncodedTensor encoded, int row, int block) {
    MemorySegment panel = encoded.panel(row / ScalarGrid.LANES);
    int lane = row % ScalarGrid.LANES;
    float rowScale =
        BFloat16.toFloat(panel.get(LittleEndian.SHORT, ScalarGrid.rowScaleOffsetBytes(lane)));
    long indices = panel.get(LittleEndian.LONG, ScalarGrid.subScalesOffsetBytes(block));
    return ScalarGrid.step(rowScale, (int) (indices >>> (4 * lane)) & 15);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void keepsPaddingZero(Case made) {
    EncodedTensor encoded = made.encoded();
    Encoding encoding = encoded.encoding();
    int rows = made.weights().shape().rows();
    int columns = made.weights().shape().columns();
    MemorySegment lastPanel = encoded.panel(encoding.panelCount(rows) - 1);
    int lanes = encoding.rowsPerPanel();
    for (int lane = rows % lanes; lane > 0 && lane < lanes; lane++) {
      if (encoding.isTrellis()) {
        assertEquals(0, TrellisPanel.rowScale(lastPanel, 0, lane));
      } else {
        assertLaneIsZero(lastPanel, encoding, columns, lane);
      }
    }
    int paddedColumns = encoding.blockCount(columns) * encoding.columnsPerBlock();
    for (int row = 0; row < rows; row++) {
      for (int column = columns; column < paddedColumns; column++) {
        assertEquals(0, fieldAt(encoded, paddedColumns, row, column), row + ", " + column);
      }
    }
  }

  /** A scalar's code, the words that a symbol is in, or the magnitude of a float. */
  private static double fieldAt(EncodedTensor encoded, int paddedColumns, int row, int column) {
    Encoding encoding = encoded.encoding();
    int lanes = encoding.rowsPerPanel();
    MemorySegment panel = encoded.panel(row / lanes);
    if (encoding.isTrellis()) {
      long offset = TrellisPanel.columnOffsetBytes(encoding, column);
      int words = TrellisPanel.columnBytes(encoding) / Long.BYTES;
      return panel.get(LittleEndian.LONG, offset + row % words * (long) Long.BYTES);
    }
    float value = encoding.decoder().valueAt(panel, paddedColumns, row % lanes, column);
    if (!encoding.isScalar()) {
      return Math.abs(value);
    }
    float step = step(encoded, row, column / ScalarGrid.COLUMNS_PER_BLOCK);
    return step == 0 ? 0 : Math.round(value / step + ScalarGrid.centre(encoding.codeBits()));
  }

  private static void assertLaneIsZero(
      MemorySegment panel, Encoding encoding, int columns, int lane) {
    long codesOffset = encoding.codesOffsetBytes(columns);
    for (long offset = codesOffset + lane * 4L; offset < panel.byteSize(); offset += 64) {
      assertEquals(0, panel.get(LittleEndian.INT, offset), "lane " + lane);
    }
    if (encoding.isScalar()) {
      assertEquals(0, panel.get(LittleEndian.SHORT, ScalarGrid.rowScaleOffsetBytes(lane)));
      for (int block = 0; block < encoding.blockCount(columns); block++) {
        long word = panel.get(LittleEndian.LONG, ScalarGrid.subScalesOffsetBytes(block));
        assertEquals(0, word >>> (4 * lane) & 15);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void doesNotDependOnHowManyPanelsItTakesAtOnce(Encoding encoding) throws IOException {
    SampledMatrix weights = TestWeights.gaussian(16 * 19 + 5, 200, 0.02, 3);
    byte[] expected = TestWeights.bytes(new TensorEncoder(), weights, encoding);
    for (int rows : new int[] {16, 48, 64, 1024}) {
      TensorEncoder encoder = new TensorEncoder(rows, rows * 64);
      assertArrayEquals(expected, TestWeights.bytes(encoder, weights, encoding), rows + " rows");
    }
  }

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void doesNotDependOnWhatWasEncodedBefore(Encoding encoding) throws IOException {
    SampledMatrix weights = TestWeights.gaussian(20, 70, 0.02, 4);
    byte[] expected = TestWeights.bytes(new TensorEncoder(), weights, encoding);
    TensorEncoder used = new TensorEncoder();
    TestWeights.bytes(used, TestWeights.gaussian(200, 300, 5, 5), encoding);
    TestWeights.bytes(used, TestWeights.gaussian(16, 64, 5, 6), Encoding.Q4);
    assertArrayEquals(expected, TestWeights.bytes(used, weights, encoding));
  }

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void decodesRowsOfZerosToZeros(Encoding encoding) throws IOException {
    SampledMatrix weights = TestWeights.gaussian(18, 70, 0.02, 7);
    Arrays.fill(weights.values(), 3 * 70, 4 * 70, 0);
    EncodedTensor encoded = TestWeights.encode(weights, encoding);
    float[] decoded = new float[70];
    encoded.decodeRow(3, decoded, 0);
    for (float value : decoded) {
      assertTrue(value == 0, "found " + value);
    }
  }

  @Test
  void keepsBFloat16Exactly() throws IOException {
    SampledMatrix weights = TestWeights.gaussian(35, 67, 0.02, 8);
    for (int i = 0; i < weights.values().length; i++) {
      weights.values()[i] = BFloat16.toFloat(BFloat16.fromFloat(weights.values()[i]));
    }
    QuantizationError error =
        QuantizationError.measure(weights, TestWeights.encode(weights, Encoding.BF16));
    assertEquals(0, error.maxAbsError());
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void encodesVectorsInOrder(Encoding encoding) throws IOException {
    SampledMatrix weights = TestWeights.vector(1, -2, 0.5f, 0, 256);
    EncodedTensor encoded = TestWeights.encode(weights, encoding);
    float[] decoded = new float[5];
    encoded.decodeRow(0, decoded, 0);
    assertArrayEquals(weights.values(), decoded);
    for (long offset = 5L * encoding.codeBits() / 8; offset < 64; offset++) {
      assertEquals(0, encoded.bytes().get(ValueLayout.JAVA_BYTE, offset));
    }
  }

  @Test
  void refusesAWeightThatBFloat16CannotHold() {
    SampledMatrix weights = TestWeights.matrix(1, 2, 1, Float.MAX_VALUE);
    IOException thrown =
        assertThrows(IOException.class, () -> TestWeights.encode(weights, Encoding.BF16));
    assertTrue(thrown.getMessage().contains("expert 0 w1"), thrown.getMessage());
    assertTrue(thrown.getMessage().contains("found 3.4028235E38"), thrown.getMessage());
  }

  /** Weights that bf16 holds, which say so or do not. */
  private record HalfWeights(SampledMatrix weights, boolean hasBFloat16Pairs)
      implements WeightSource {
    @Override
    public TensorKey key() {
      return weights.key();
    }

    @Override
    public TensorShape shape() {
      return weights.shape();
    }

    @Override
    public Encoding exactEncoding() {
      return Encoding.BF16;
    }

    @Override
    public void readRows(int row, int count, float[] values, int offset) throws IOException {
      weights.readRows(row, count, values, offset);
      for (int i = offset; i < offset + count * shape().columns(); i++) {
        values[i] = BFloat16.toFloat(BFloat16.fromFloat(values[i]));
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void pairsOfBFloat16AreEncodedAsTheirValuesAre(Encoding encoding) throws IOException {
    SampledMatrix weights = TestWeights.gaussian(35, 66, 0.02, 9);
    assertArrayEquals(
        TestWeights.bytes(new TensorEncoder(), new HalfWeights(weights, false), encoding),
        TestWeights.bytes(new TensorEncoder(), new HalfWeights(weights, true), encoding));
  }

  @Test
  void refusesAScalarEncodingForAVector() {
    assertThrows(
        IllegalArgumentException.class,
        () -> TestWeights.encode(TestWeights.vector(1, 2), Encoding.Q4));
  }

  @Test
  void streamsInChunksOfAboutAMebibyte() throws IOException {
    List<Integer> chunks = new ArrayList<>();
    SampledMatrix weights = TestWeights.gaussian(2000, 512, 1, 9);
    new TensorEncoder().encode(weights, Encoding.F32, (ByteBuffer b) -> chunks.add(b.remaining()));
    for (int chunk : chunks.subList(0, chunks.size() - 1)) {
      assertTrue(chunk >= 1 << 20 && chunk < 2 << 20, chunks.toString());
    }
  }
}
