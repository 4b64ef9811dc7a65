package bora.formats.encoding;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Strings of symbols, their states and the values of these. */
class TrellisPanelTest {
  private static final int COLUMNS = 19;

  static Stream<Encoding> trellises() {
    return Stream.of(Encoding.values()).filter(Encoding::isTrellis);
  }

  static List<Arguments> trellisesAndStateBits() {
    return trellises()
        .flatMap(
            encoding ->
                Stream.of(encoding.codeBits() + 4, TrellisCode.maxStateBits(encoding))
                    .map(stateBits -> Arguments.of(encoding, stateBits)))
        .toList();
  }

  /** The states of a string written out twice as one row of bits, the oldest first. */
  @ParameterizedTest
  @MethodSource("trellisesAndStateBits")
  void aStateIsTheLastBitsOfTheCircularString(Encoding encoding, int stateBits) {
    int[][] symbols = randomSymbols(encoding);
    MemorySegment panel = pack(encoding, symbols, stateBits);
    for (int column = 0; column < COLUMNS; column++) {
      StringBuilder bits = new StringBuilder();
      for (int row = 0; row < 2 * TrellisPanel.ROWS; row++) {
        int symbol = symbols[column][row % TrellisPanel.ROWS];
        for (int bit = encoding.codeBits() - 1; bit >= 0; bit--) {
          bits.append(symbol >>> bit & 1);
        }
      }
      for (int row = 0; row < TrellisPanel.ROWS; row++) {
        int end = (TrellisPanel.ROWS + row + 1) * encoding.codeBits();
        int expected = Integer.parseInt(bits.substring(end - stateBits, end), 2);
        assertEquals(
            expected, TrellisPanel.stateAt(encoding, panel, row, column, stateBits), "row " + row);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("trellisesAndStateBits")
  void aColumnTouchesNoOther(Encoding encoding, int stateBits) {
    int[][] symbols = randomSymbols(encoding);
    byte[] whole = pack(encoding, symbols, stateBits).toArray(ValueLayout.JAVA_BYTE);
    byte[] sum = new byte[whole.length];
    for (int column = 0; column < COLUMNS; column++) {
      int[][] alone = new int[COLUMNS][TrellisPanel.ROWS];
      alone[column] = symbols[column];
      byte[] part = pack(encoding, alone, stateBits).toArray(ValueLayout.JAVA_BYTE);
      for (int i = 0; i < sum.length; i++) {
        assertTrue(i < 128 || (sum[i] & part[i]) == 0, "bits of two columns at byte " + i);
        sum[i] |= part[i];
      }
    }
    assertArrayEquals(whole, sum);
  }

  @ParameterizedTest
  @MethodSource("trellisesAndStateBits")
  void theHeaderHoldsScalesAndStateBits(Encoding encoding, int stateBits) {
    MemorySegment panel = pack(encoding, randomSymbols(encoding), stateBits);
    assertEquals(stateBits, TrellisPanel.stateBits(panel, 0));
    for (int row = 0; row < TrellisPanel.ROWS; row++) {
      assertEquals(row * 0.25f, TrellisPanel.rowScale(panel, 0, row));
    }
  }

  @ParameterizedTest
  @MethodSource("trellises")
  void theValuesOfACodeAreNearlyGaussian(Encoding encoding) {
    int states = 1 << TrellisCode.maxStateBits(encoding);
    double sum = 0;
    double squares = 0;
    double fourths = 0;
    for (int state = 0; state < states; state++) {
      double value = TrellisCode.value(state, TrellisCode.multiplier(encoding));
      assertTrue(Math.abs(value) <= 2);
      sum += value;
      squares += value * value;
      fourths += value * value * value * value;
    }
    // Of u + u^9 with u uniform: variance 1/3 + 2/11 + 1/19, kurtosis 2.97; a Gaussian's is 3.
    double variance = squares / states;
    assertEquals(0, sum / states, 0.02);
    assertEquals(1 / 3.0 + 2 / 11.0 + 1 / 19.0, variance, 0.02);
    assertEquals(2.97, fourths / states / variance / variance, 0.1);
  }

  /** Worked out with exact fractions, each operation rounded as the document says. */
  @ParameterizedTest
  @CsvSource({
    "T1, 1, 3FB6283C", "T1, 5, 3F2458ED", "T1, 255, BCBA889A", "T1, 511, 3F9912D7",
    "T2, 1, 3EF6F888", "T2, 5, 3ECF7A08", "T2, 255, 3F2C42ED", "T2, 511, BE5CCD51",
    "T3, 1, BF4CA041", "T3, 5, 3EA3EEF0", "T3, 255, 3EA7B35D", "T3, 511, BDA5D712",
    "T4, 1, 3F6165CF", "T4, 5, BDEA6E20", "T4, 255, 3E2607D3", "T4, 511, BFA3EE1A",
    "T5, 1, BDF724DE", "T5, 5, BF1D2DBB", "T5, 255, BF5EBE55", "T5, 511, 3EAB6197"
  })
  void valuesArePermanent(Encoding encoding, int state, String bits) {
    float value = TrellisCode.value(state, TrellisCode.multiplier(encoding));
    assertEquals(Integer.parseUnsignedInt(bits, 16), Float.floatToRawIntBits(value));
  }

  @Test
  void otherEncodingsHaveNoTrellis() {
    assertThrows(IllegalArgumentException.class, () -> TrellisCode.multiplier(Encoding.Q4));
    assertThrows(IllegalArgumentException.class, () -> TrellisCode.maxStateBits(Encoding.F32));
  }

  private static int[][] randomSymbols(Encoding encoding) {
    Random random = new Random(encoding.id());
    int[][] symbols = new int[COLUMNS][];
    for (int column = 0; column < COLUMNS; column++) {
      symbols[column] = random.ints(TrellisPanel.ROWS, 0, 1 << encoding.codeBits()).toArray();
    }
    return symbols;
  }

  private static MemorySegment pack(Encoding encoding, int[][] symbols, int stateBits) {
    MemorySegment panel = MemorySegment.ofArray(new byte[(int) encoding.panelBytes(COLUMNS)]);
    float[] rowScales = new float[TrellisPanel.ROWS];
    for (int row = 0; row < TrellisPanel.ROWS; row++) {
      rowScales[row] = row * 0.25f;
    }
    TrellisPanel.writeHeader(panel, rowScales, stateBits);
    for (int column = 0; column < COLUMNS; column++) {
      TrellisPanel.packColumn(encoding, panel, column, symbols[column]);
    }
    return panel;
  }
}
