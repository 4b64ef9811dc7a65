package bora.formats.encoding;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.model.TensorShape;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Panels whose bytes were worked out by hand from {@code docs/encodings.md}, so that the page and
 * not the code has the last word.
 */
class GoldenPanelTest {
  /**
   * @param hex what stands at which byte of the panel; zeros elsewhere
   * @param rows the values of the first rows
   */
  record Golden(
      String name, Encoding encoding, int size, Map<Integer, String> hex, List<float[]> rows) {
    byte[] bytes() {
      byte[] bytes = new byte[size];
      hex.forEach(
          (offset, digits) -> {
            byte[] part = HexFormat.of().parseHex(digits.replace(" ", ""));
            System.arraycopy(part, 0, bytes, offset, part.length);
          });
      return bytes;
    }

    int columns() {
      return rows.get(0).length;
    }

    TensorShape shape() {
      return TensorShape.matrix(rows.size(), columns());
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static List<Golden> panels() {
    return List.of(f32(), bf16(), q8(), q4(), q6(), q5(), q3(), q2(), zeroRow(), t2(), t3());
  }

  /** A column is 64 bytes, a lane 4 of them. */
  private static Golden f32() {
    return new Golden(
        "f32",
        Encoding.F32,
        2 * 64,
        Map.of(0, "0000803F 000000BF", 64, "00000040 00000080"),
        List.of(new float[] {1, 2}, new float[] {-0.5f, -0.0f}));
  }

  /** Two columns are 64 bytes; the even column is the low half of a lane's word. */
  private static Golden bf16() {
    return new Golden(
        "bf16",
        Encoding.BF16,
        2 * 64,
        Map.of(0, "803F 0040 C03F 80C0", 64, "00BF 0000 4040 0000"),
        List.of(new float[] {1, 2, -0.5f}, new float[] {1.5f, -4, 3}));
  }

  /** Row scales 1 and 2; sub-scale indices 0 and 10 (a quarter); four columns to a word. */
  private static Golden q8() {
    return new Golden(
        "q8",
        Encoding.Q8,
        64 + 1024,
        Map.of(0, "803F 0040", 32, "A0", 64, "00017F80 80808080", 128, "FF000000 FF000000"),
        List.of(
            new float[] {-127.5f, -126.5f, -0.5f, 0.5f, 127.5f},
            new float[] {0.25f, 0.25f, 0.25f, 0.25f, 63.75f}));
  }

  /**
   * 65 columns, two blocks: the indices of lane 0 are 5 (a half) and 0, of lane 1 15 (an eighth)
   * and 10 (a quarter). Lane 0 counts 0, 1, ... 15 four times; lane 1 is 15 everywhere.
   */
  private static Golden q4() {
    Map<Integer, String> hex = new LinkedHashMap<>();
    hex.put(0, "803F 0040");
    hex.put(32, "F5");
    hex.put(40, "A0");
    for (int unit = 0; unit < 8; unit++) {
      hex.put(64 + 64 * unit, (unit % 2 == 0 ? "10325476" : "98BADCFE") + " FFFFFFFF");
    }
    hex.put(64 + 512, "03000000 0F000000");
    float[] counting = new float[65];
    float[] constant = new float[65];
    for (int column = 0; column < 64; column++) {
      counting[column] = (column % 16 - 7.5f) * 0.5f;
      constant[column] = 7.5f * 0.25f;
    }
    counting[64] = -4.5f;
    constant[64] = 7.5f * 0.5f;
    return new Golden("q4", Encoding.Q4, 64 + 2 * 512, hex, List.of(counting, constant));
  }

  /**
   * Columns 0 to 14 hold 1 to 15, five to a word. Column 15 holds 39 = 10 01 11 in binary: its
   * pairs of bits are the top bits of units 0 (11), 1 (01) and 2 (10). Column 16 is the first of
   * unit 3.
   */
  private static Golden q6() {
    Map<Integer, String> hex =
        Map.of(0, "803F", 64, "813010C5", 128, "C681244A", 192, "0BD3388F", 256, "3F000000");
    float[] values = new float[17];
    for (int column = 0; column < 15; column++) {
      values[column] = column + 1 - 31.5f;
    }
    values[15] = 7.5f;
    values[16] = 31.5f;
    return new Golden("q6", Encoding.Q6, 64 + 768, hex, List.of(values));
  }

  /**
   * Column 30 holds 27, column 31 holds 30: the pairs are 11 11 01 10 11, the first word's first.
   */
  private static Golden q5() {
    return paired(Encoding.Q5, "07725483", "4F9BF917", "15B45CA4", "5EDDC130", "27F664C5");
  }

  /** Column 30 holds 3, column 31 holds 6: the pairs are 11 00 11. */
  private static Golden q3() {
    return paired(Encoding.Q3, "87573187", "5CC51C5E", "17737815");
  }

  /** Column 30 holds 3, column 31 holds 2: the pairs are 10 11. */
  private static Golden q2() {
    return paired(Encoding.Q2, "C6C6C6C6", "1B1B1B1B");
  }

  /** A row scale of 1; column c of 32 has the code 3 c + 1, as far as the bits go. */
  private static Golden paired(Encoding encoding, String... words) {
    Map<Integer, String> hex = new LinkedHashMap<>();
    hex.put(0, "803F");
    for (int unit = 0; unit < words.length; unit++) {
      hex.put(64 + 64 * unit, words[unit]);
    }
    int codes = 1 << encoding.codeBits();
    float[] values = new float[32];
    for (int column = 0; column < 32; column++) {
      values[column] = (3 * column + 1) % codes - (codes - 1) / 2f;
    }
    int size = 64 + 128 * encoding.codeBits();
    return new Golden(encoding.jsonName(), encoding, size, hex, List.of(values));
  }

  /** A row scale of zero makes the whole row zero, whatever its codes. */
  private static Golden zeroRow() {
    return new Golden(
        "zero row",
        Encoding.Q4,
        64 + 512,
        Map.of(2, "803F", 64, "98000000 98000000"),
        List.of(new float[] {0, 0}, new float[] {0.5f, 1.5f}));
  }

  /** Row 5 has symbol 1, the others 0: the states before it are 4, 16, 64, 256 and 1024. */
  private static Golden t2() {
    return new Golden(
        "t2",
        Encoding.T2,
        128 + 128,
        Map.of(0, "803F 0040 003F 803F 803F 803F 803F", 128, "0004"),
        List.of(
            new float[] {-22.5f},
            new float[] {2 * -4.5f},
            new float[] {0.5f * 14.5f},
            new float[] {45.5f},
            new float[] {48.5f},
            new float[] {14.5f},
            new float[] {47.5f}));
  }

  /**
   * In the second column row 0 has symbol 6, row 1 symbol 5 and row 63 symbol 3: behind it come
   * rows 0 and 1 once more, so that the states of rows 60 to 63 are 1536, 3264, 2968 and 371.
   */
  private static Golden t3() {
    List<float[]> rows = new ArrayList<>();
    for (int row = 0; row < 64; row++) {
      rows.add(new float[] {-27.5f, -27.5f});
    }
    rows.set(0, new float[] {-27.5f, -7.5f});
    rows.set(1, new float[] {-27.5f, 56.5f});
    rows.set(60, new float[] {-27.5f, 2.5f});
    rows.set(61, new float[] {-27.5f, 1.5f});
    rows.set(62, new float[] {-27.5f, 3.5f});
    rows.set(63, new float[] {-27.5f, 26.5f});
    Map<Integer, String> hex = Map.of(0, "803F".repeat(64), 128 + 24, "2E", 128 + 47, "60");
    return new Golden("t3", Encoding.T3, 128 + 8 * 24, hex, rows);
  }

  @ParameterizedTest
  @MethodSource("panels")
  void decodesToTheValuesOfTheDocument(Golden golden) {
    EncodedTensor tensor =
        new EncodedTensor(golden.encoding(), golden.shape(), MemorySegment.ofArray(golden.bytes()));
    for (int row = 0; row < golden.rows().size(); row++) {
      float[] values = new float[golden.columns()];
      tensor.decodeRow(row, values, 0);
      assertArrayEquals(golden.rows().get(row), values, "row " + row);
    }
  }

  @ParameterizedTest
  @MethodSource("panels")
  void hasTheSizeOfTheDocument(Golden golden) {
    assertEquals(golden.size(), golden.encoding().panelBytes(golden.columns()));
    assertEquals(golden.size(), golden.encoding().encodedBytes(golden.shape()));
  }

  @ParameterizedTest
  @MethodSource("panels")
  void codesArePackedToTheSameBytes(Golden golden) {
    Encoding encoding = golden.encoding();
    if (!encoding.isScalar()) {
      return;
    }
    byte[] expected = golden.bytes();
    byte[] packed = Arrays.copyOf(expected, (int) encoding.codesOffsetBytes(golden.columns()));
    packed = Arrays.copyOf(packed, expected.length);
    MemorySegment panel = MemorySegment.ofArray(expected);
    for (int block = 0; block < encoding.blockCount(golden.columns()); block++) {
      long offset =
          encoding.codesOffsetBytes(golden.columns()) + (long) block * encoding.blockBytes();
      byte[] codes = new byte[64 * 16];
      for (int i = 0; i < codes.length; i++) {
        codes[i] = (byte) ScalarCodes.codeAt(encoding, panel, offset, i % 16, i / 16);
      }
      ScalarCodes.packBlock(encoding, codes, MemorySegment.ofArray(packed), offset);
    }
    assertArrayEquals(expected, packed);
  }
}
