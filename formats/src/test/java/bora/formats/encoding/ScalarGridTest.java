package bora.formats.encoding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import bora.formats.Siblings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScalarGridTest {
  /** {@code docs/encodings.md}, "q8, q6, q5, q4, q3, q2". */
  private static final int[] SUB_SCALE_BITS = {
    0x3F800000, 0x3F5EDC67, 0x3F420300, 0x3F28E5A3, 0x3F13088C, 0x3F000000, 0x3EDEDC67, 0x3EC20300,
    0x3EA8E5A3, 0x3E93088C, 0x3E800000, 0x3E5EDC67, 0x3E420300, 0x3E28E5A3, 0x3E13088C, 0x3E000000
  };

  @Test
  void subScalesAreTheBitPatternsOfTheFormat() {
    assertEquals(16, ScalarGrid.SUB_SCALE_COUNT);
    for (int i = 0; i < 16; i++) {
      assertEquals(
          SUB_SCALE_BITS[i], Float.floatToRawIntBits(ScalarGrid.subScale(i)), "index " + i);
    }
  }

  @Test
  void subScalesAreFifthsOfAnOctaveRounded() {
    for (int i = 0; i < 16; i++) {
      assertEquals((float) StrictMath.pow(2, -i / 5.0), ScalarGrid.subScale(i), "index " + i);
    }
  }

  @Test
  void documentGivesTheSameSubScales() throws IOException {
    Optional<Path> page = Siblings.find("docs/encodings.md");
    assumeTrue(page.isPresent(), "docs/encodings.md is not beside the module");
    String text = Files.readString(page.get());
    String list = text.substring(text.indexOf("as bit patterns:"), text.indexOf("With `blocks"));
    List<Integer> documented =
        Pattern.compile("\\b[0-9A-F]{8}\\b")
            .matcher(list)
            .results()
            .map(MatchResult::group)
            .map(digits -> Integer.parseUnsignedInt(digits, 16))
            .toList();
    assertEquals(IntStream.of(SUB_SCALE_BITS).boxed().toList(), documented);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 8, -127.5", "255, 8, 127.5", "127, 8, -0.5", "128, 8, 0.5",
    "0, 6, -31.5", "63, 6, 31.5", "31, 6, -0.5", "32, 6, 0.5",
    "0, 4, -7.5", "15, 4, 7.5", "7, 4, -0.5", "8, 4, 0.5"
  })
  void gridIsSymmetricAroundZero(int code, int bits, float level) {
    assertEquals(level, ScalarGrid.value(code, bits, 1));
    assertEquals(level * 0.25f, ScalarGrid.value(code, bits, 0.25f));
  }

  @Test
  void stepIsOneRoundedMultiplication() {
    float rowScale = 0x1.06p-7f;
    for (int i = 0; i < 16; i++) {
      float expected =
          (float) ((double) rowScale * (double) Float.intBitsToFloat(SUB_SCALE_BITS[i]));
      assertEquals(expected, ScalarGrid.step(rowScale, i), "index " + i);
    }
  }

  @Test
  void smallestRowScaleLeavesNoProductDenormal() {
    float step = ScalarGrid.step(ScalarGrid.MIN_ROW_SCALE, 15);
    assertTrue(Math.abs(ScalarGrid.value(128, 8, step)) >= Float.MIN_NORMAL);
    assertEquals(ScalarGrid.MIN_ROW_SCALE, BFloat16.toFloat(BFloat16.fromFloat(0x1p-100f)));
  }

  @ParameterizedTest
  @CsvSource({"1, 64", "4, 64", "5, 128", "12, 128", "13, 192", "64, 576", "224, 1856"})
  void scalesArePaddedToAUnit(int blocks, long bytes) {
    assertEquals(bytes, ScalarGrid.headerBytes(blocks));
  }
}
