package bora.formats.encoding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BFloat16Test {
  @Test
  void everyPatternSurvivesWideningAndRounding() {
    for (int pattern = 0; pattern <= 0xFFFF; pattern++) {
      float value = BFloat16.toFloat((short) pattern);
      if (Float.isNaN(value)) {
        assertTrue(Float.isNaN(BFloat16.toFloat(BFloat16.fromFloat(value))));
      } else {
        assertEquals(pattern << 16, Float.floatToRawIntBits(value));
        assertEquals((short) pattern, BFloat16.fromFloat(value));
      }
    }
  }

  @ParameterizedTest(name = "{0} becomes {1}: {2}")
  @CsvSource({
    "3F808000, 3F80, a tie goes to the even neighbour below",
    "3F818000, 3F82, a tie goes to the even neighbour above",
    "3F808001, 3F81, just above a tie",
    "3F807FFF, 3F80, just below a tie",
    "BF818000, BF82, ties are symmetric",
    "BF808000, BF80, ties are symmetric",
    "3FFF8000, 4000, carries into the exponent",
    "7F7F7FFF, 7F7F, the largest that stays finite",
    "7F7F8000, 7F80, beyond the range",
    "7F7FFFFF, 7F80, the largest float overflows to infinity",
    "FF7FFFFF, FF80, and to minus infinity",
    "7F800000, 7F80, infinity stays",
    "FF800000, FF80, minus infinity stays",
    "00000001, 0000, the smallest denormal rounds to zero",
    "80000001, 8000, and keeps its sign",
    "00008000, 0000, a tie between zero and the smallest denormal",
    "00008001, 0001, the smallest denormal",
    "00018000, 0002, a tie among denormals",
    "007F8000, 0080, denormals carry into the normal range",
    "80000000, 8000, minus zero stays",
    "7F800001, 7FC0, a NaN whose payload is in the lower half stays NaN",
    "FFFFFFFF, FFFF, a NaN does not carry into the sign"
  })
  void roundsToNearestEven(String from, String to, String why) {
    float value = Float.intBitsToFloat(Integer.parseUnsignedInt(from, 16));
    assertEquals((short) Integer.parseInt(to, 16), BFloat16.fromFloat(value), why);
  }

  @Test
  void noNeighbourIsNearer() {
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < 100_000; i++) {
      float value = Float.intBitsToFloat(random.nextInt() & ~0x40000000);
      double lower = BFloat16.toFloat((short) (Float.floatToRawIntBits(value) >>> 16));
      double upper = BFloat16.toFloat((short) ((Float.floatToRawIntBits(value) >>> 16) + 1));
      double error = Math.abs(BFloat16.toFloat(BFloat16.fromFloat(value)) - (double) value);
      assertEquals(Math.min(Math.abs(lower - value), Math.abs(upper - value)), error);
    }
  }
}
