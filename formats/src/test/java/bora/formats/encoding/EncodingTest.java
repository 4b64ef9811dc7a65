package bora.formats.encoding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.model.TensorShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Sizes, held against the sums of fields that {@code docs/encodings.md} lists. */
class EncodingTest {
  private static final int[] ROWS = {1, 2, 15, 16, 17, 32, 63, 64, 65, 4096};
  private static final int[] COLUMNS = {
    1, 2, 3, 63, 64, 65, 127, 128, 129, 255, 256, 257, 320, 321, 4096, 14336
  };

  static List<Arguments> matrices() {
    List<Arguments> matrices = new ArrayList<>();
    for (Encoding encoding : Encoding.values()) {
      for (int rows : ROWS) {
        for (int columns : COLUMNS) {
          matrices.add(Arguments.of(encoding, rows, columns));
        }
      }
    }
    return matrices;
  }

  @ParameterizedTest
  @MethodSource("matrices")
  void matrixTakesTheSumOfItsFields(Encoding encoding, int rows, int columns) {
    long panels = encoding.isTrellis() ? (rows + 63L) / 64 : (rows + 15L) / 16;
    assertEquals(
        panels * panelBytes(encoding, columns),
        encoding.encodedBytes(TensorShape.matrix(rows, columns)));
    assertEquals(panels, encoding.panelCount(rows));
    assertEquals(panelBytes(encoding, columns), encoding.panelBytes(columns));
    assertEquals(0, encoding.panelBytes(columns) % 64, "panels are aligned");
    assertEquals(0, encoding.codesOffsetBytes(columns) % 64, "codes are aligned");
  }

  private static long panelBytes(Encoding encoding, int columns) {
    long blocks = (columns + 63L) / 64;
    return switch (encoding) {
      case F32 -> 64L * columns;
      case BF16 -> 64L * ((columns + 1) / 2);
      case Q8, Q6, Q5, Q4, Q3, Q2 -> scalesBytes(blocks) + 128L * encoding.codeBits() * blocks;
      case T1, T2, T3, T4, T5 -> 128 + 64L * encoding.codeBits() * ((columns + 7) / 8);
    };
  }

  private static long scalesBytes(long blocks) {
    long bytes = 32 + 8 * blocks;
    while (bytes % 64 != 0) {
      bytes++;
    }
    return bytes;
  }

  @ParameterizedTest
  @CsvSource({
    "F32, 1, 64", "F32, 16, 64", "F32, 17, 128", "F32, 4096, 16384",
    "BF16, 1, 64", "BF16, 32, 64", "BF16, 33, 128", "BF16, 4096, 8192"
  })
  void vectorIsPaddedToSixtyFourBytes(Encoding encoding, int length, long bytes) {
    assertEquals(bytes, encoding.encodedBytes(TensorShape.vector(length)));
  }

  @ParameterizedTest
  @CsvSource({
    "F32, 32",
    "BF16, 16",
    "Q8, 8.06640625",
    "Q6, 6.06640625",
    "Q5, 5.06640625",
    "Q4, 4.06640625",
    "Q3, 3.06640625",
    "Q2, 2.06640625",
    "T1, 1.00390625",
    "T2, 2.00390625",
    "T3, 3.00390625",
    "T4, 4.00390625",
    "T5, 5.00390625"
  })
  void costsTheBitsThatTheDocumentGives(Encoding encoding, double bits) {
    // 4096 columns: b + 4/64 + 16/4096; the scales' 544 bytes are padded to 576.
    TensorShape shape = TensorShape.matrix(encoding.rowsPerPanel(), 4096);
    double padding = encoding.isScalar() ? 32 * 8.0 / shape.elementCount() : 0;
    assertEquals(bits + padding, encoding.encodedBytes(shape) * 8.0 / shape.elementCount());
  }

  @ParameterizedTest
  @EnumSource(
      names = {"F32", "BF16"},
      mode = EnumSource.Mode.EXCLUDE)
  void quantizedEncodingsHoldNoVectors(Encoding encoding) {
    TensorShape vector = TensorShape.vector(64);
    assertFalse(encoding.fits(vector));
    assertThrows(IllegalArgumentException.class, () -> encoding.encodedBytes(vector));
  }

  @ParameterizedTest
  @EnumSource
  void everyEncodingHoldsMatrices(Encoding encoding) {
    assertTrue(encoding.fits(TensorShape.matrix(1, 1)));
  }

  @ParameterizedTest
  @CsvSource({
    "1, f32, F32",
    "2, bf16, BF16",
    "3, q8, Q8",
    "4, q6, Q6",
    "5, q4, Q4",
    "6, q5, Q5",
    "7, q3, Q3",
    "8, q2, Q2",
    "16, t1, T1",
    "17, t2, T2",
    "18, t3, T3",
    "19, t4, T4",
    "20, t5, T5"
  })
  void idsAndNamesArePermanent(int id, String name, Encoding encoding) {
    assertEquals(id, encoding.id());
    assertEquals(name, encoding.jsonName());
    assertEquals(encoding, Encoding.ofName(name).orElseThrow());
    assertEquals(encoding, encoding.decoder().encoding());
  }

  @Test
  void reservedNamesAreUnknown() {
    Stream.of("q7", "q1", "t6", "Q8", "", "f16")
        .forEach(name -> assertTrue(Encoding.ofName(name).isEmpty(), name));
    assertEquals(13, Arrays.stream(Encoding.values()).mapToInt(Encoding::id).distinct().count());
  }

  @Test
  void refusesSizesThatOverflow() {
    TensorShape huge = TensorShape.matrix(Integer.MAX_VALUE, Integer.MAX_VALUE);
    assertThrows(ArithmeticException.class, () -> Encoding.F32.encodedBytes(huge));
    assertThrows(ArithmeticException.class, () -> Encoding.alignUp(Long.MAX_VALUE, 64));
  }

  @ParameterizedTest
  @CsvSource({"0, 0", "1, 64", "63, 64", "64, 64", "65, 128"})
  void alignsUpToTheNextMultiple(long value, long aligned) {
    assertEquals(aligned, Encoding.alignUp(value, 64));
  }
}
