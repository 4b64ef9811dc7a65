package bora.formats.encoding;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.Sha256;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Columns of symbols, their states and the levels of these. */
class TrellisPanelTest {
  private static final int COLUMNS = 19;

  static Stream<Encoding> trellises() {
    return Stream.of(Encoding.values()).filter(Encoding::isTrellis);
  }

  /** The states of a column written out twice as one row of bits, the last row first. */
  @ParameterizedTest
  @MethodSource("trellises")
  void aStateIsTwelveBitsOfACircle(Encoding encoding) {
    int[][] symbols = randomSymbols(encoding);
    MemorySegment panel = pack(encoding, symbols);
    for (int column = 0; column < COLUMNS; column++) {
      StringBuilder bits = new StringBuilder();
      for (int row = 2 * TrellisPanel.ROWS - 1; row >= 0; row--) {
        int symbol = symbols[column][row % TrellisPanel.ROWS];
        for (int bit = encoding.codeBits() - 1; bit >= 0; bit--) {
          bits.append(symbol >>> bit & 1);
        }
      }
      for (int row = 0; row < TrellisPanel.ROWS; row++) {
        int end = bits.length() - encoding.codeBits() * row;
        int expected = Integer.parseInt(bits.substring(end - 12, end), 2);
        assertEquals(expected, TrellisPanel.stateAt(encoding, panel, row, column), "row " + row);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("trellises")
  void aColumnIsWrittenWholeAndTouchesNoOther(Encoding encoding) {
    int[][] symbols = randomSymbols(encoding);
    byte[] expected = pack(encoding, symbols).toArray(ValueLayout.JAVA_BYTE);
    MemorySegment panel = MemorySegment.ofArray(expected.clone());
    int[] others = new int[TrellisPanel.ROWS];
    Arrays.fill(others, (1 << encoding.codeBits()) - 1);
    for (int column = 0; column < COLUMNS; column++) {
      TrellisPanel.packColumn(encoding, panel, column, others);
      long offset = TrellisPanel.columnOffsetBytes(encoding, column);
      for (int i = 0; i < TrellisPanel.columnBytes(encoding); i++) {
        assertEquals(-1, panel.get(ValueLayout.JAVA_BYTE, offset + i));
      }
      TrellisPanel.packColumn(encoding, panel, column, symbols[column]);
      assertArrayEquals(expected, panel.toArray(ValueLayout.JAVA_BYTE));
    }
  }

  @ParameterizedTest
  @MethodSource("trellises")
  void theHeaderHoldsScales(Encoding encoding) {
    MemorySegment panel = pack(encoding, randomSymbols(encoding));
    for (int row = 0; row < TrellisPanel.ROWS; row++) {
      assertEquals(row * 0.25f, TrellisPanel.rowScale(panel, 0, row));
    }
  }

  /** What a column can choose between at a row, whatever the rows after it say. */
  @ParameterizedTest
  @MethodSource("trellises")
  void theValuesOfASymbolLieFarApartAndAroundZero(Encoding encoding) {
    TrellisCode code = TrellisCode.of(encoding);
    int symbols = 1 << encoding.codeBits();
    for (int above = 0; above < 1 << TrellisCode.STATE_BITS; above += symbols) {
      float[] values = new float[symbols];
      for (int symbol = 0; symbol < symbols; symbol++) {
        values[symbol] = code.value(above + symbol);
        assertEquals(code.level(above + symbol) - 127.5f, values[symbol]);
      }
      Arrays.sort(values);
      assertTrue(values[symbols / 2 - 1] < 20 && values[symbols / 2] > -20, "of " + above);
      for (int i = 1; i < symbols; i++) {
        assertTrue(values[i] - values[i - 1] > 2, "of " + above);
      }
    }
  }

  /** Looked up in the document by a program of its own. */
  @ParameterizedTest
  @CsvSource({
    "T1, 0, 171", "T1, 1, 98", "T1, 127, 188", "T1, 128, 69", "T1, 2741, 109", "T1, 4095, 75",
    "T2, 0, 175", "T2, 1, 142", "T2, 127, 30", "T2, 128, 76", "T2, 2741, 27", "T2, 4095, 209",
    "T3, 0, 100", "T3, 1, 117", "T3, 127, 156", "T3, 128, 112", "T3, 2741, 95", "T3, 4095, 79",
    "T4, 0, 84", "T4, 1, 95", "T4, 127, 93", "T4, 128, 132", "T4, 2741, 104", "T4, 4095, 163",
    "T5, 0, 88", "T5, 1, 93", "T5, 127, 154", "T5, 128, 141", "T5, 2741, 172", "T5, 4095, 83"
  })
  void levelsArePermanent(Encoding encoding, int state, int level) {
    assertEquals(level, TrellisCode.of(encoding).level(state));
  }

  /** All of them at once: the digest of the document's tables. */
  @ParameterizedTest
  @CsvSource({
    "T1, 6955bb513e318892e4cb28e94a1c6dd894cf01136fc1103543ad2a6284183d5a",
    "T2, 0e81d4a3b80c2d741ca9b0b8584d61fa8d14e54c3ad3ffbe5008892fcb2b145b",
    "T3, 2ac20d5135bc0da9cead20c44c4fda929eba61f9e7ac0c29efba795581c95d26",
    "T4, 37febfa2a463a848625085350f88ae9a697fba0c88bf27807b45d0cc86159327",
    "T5, 450735bd984034a8a174ba596ffeef09cddb22fed0c050f85fbc9aacb4b67a5f"
  })
  void tablesArePermanent(Encoding encoding, String sha256) {
    MessageDigest digest = Sha256.newDigest();
    digest.update(TrellisCode.of(encoding).mixes());
    digest.update(TrellisCode.of(encoding).levels());
    assertEquals(sha256, Sha256.hex(digest));
  }

  @Test
  void otherEncodingsHaveNoTrellis() {
    assertThrows(IllegalArgumentException.class, () -> TrellisCode.of(Encoding.Q4));
    assertThrows(IllegalArgumentException.class, () -> TrellisCode.of(Encoding.F32));
  }

  private static int[][] randomSymbols(Encoding encoding) {
    Random random = new Random(encoding.id());
    int[][] symbols = new int[COLUMNS][];
    for (int column = 0; column < COLUMNS; column++) {
      symbols[column] = random.ints(TrellisPanel.ROWS, 0, 1 << encoding.codeBits()).toArray();
    }
    return symbols;
  }

  private static MemorySegment pack(Encoding encoding, int[][] symbols) {
    MemorySegment panel = MemorySegment.ofArray(new byte[(int) encoding.panelBytes(COLUMNS)]);
    float[] rowScales = new float[TrellisPanel.ROWS];
    for (int row = 0; row < TrellisPanel.ROWS; row++) {
      rowScales[row] = row * 0.25f;
    }
    TrellisPanel.writeRowScales(panel, rowScales);
    for (int column = 0; column < COLUMNS; column++) {
      TrellisPanel.packColumn(encoding, panel, column, symbols[column]);
    }
    return panel;
  }
}
