package bora.formats.encoding;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ScalarCodesTest {
  private static final int CODES = 64 * 16;

  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q6", "Q5", "Q4", "Q3", "Q2"})
  void packedCodesAreReadBack(Encoding encoding) {
    SplittableRandom random = new SplittableRandom(encoding.id());
    for (int round = 0; round < 20; round++) {
      byte[] codes = new byte[CODES];
      for (int i = 0; i < CODES; i++) {
        codes[i] = (byte) random.nextInt(1 << encoding.codeBits());
      }
      MemorySegment block = MemorySegment.ofArray(new byte[128 + encoding.blockBytes()]);
      ScalarCodes.packBlock(encoding, codes, block, 128);
      for (int column = 0; column < 64; column++) {
        for (int lane = 0; lane < 16; lane++) {
          assertEquals(
              codes[column * 16 + lane] & 0xFF,
              ScalarCodes.codeAt(encoding, block, 128, lane, column),
              "lane " + lane + ", column " + column);
        }
      }
      for (int columns : new int[] {1, 15, 31, 33, 63, 64}) {
        float[] found = new float[columns + 2];
        found[columns + 1] = -1;
        for (int lane = 0; lane < 16; lane++) {
          ScalarCodes.unpackLane(encoding, block, 128, lane, found, 1, columns);
          for (int column = 0; column < columns; column++) {
            assertEquals(codes[column * 16 + lane] & 0xFF, found[1 + column], columns + " columns");
          }
          assertEquals(-1, found[columns + 1]);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q6", "Q5", "Q4", "Q3", "Q2"})
  void everyBitOfABlockBelongsToOneCode(Encoding encoding) {
    long[] seen = new long[encoding.blockBytes() / 8];
    for (int i = 0; i < CODES; i++) {
      for (int bit = 0; bit < encoding.codeBits(); bit++) {
        byte[] codes = new byte[CODES];
        codes[i] = (byte) (1 << bit);
        MemorySegment block = MemorySegment.ofArray(new byte[encoding.blockBytes()]);
        ScalarCodes.packBlock(encoding, codes, block, 0);
        int bitsSet = 0;
        for (int word = 0; word < seen.length; word++) {
          long packed = block.get(LittleEndian.LONG, 8L * word);
          assertEquals(0, packed & seen[word], "a bit is shared by two codes");
          seen[word] |= packed;
          bitsSet += Long.bitCount(packed);
        }
        assertEquals(1, bitsSet);
      }
    }
    for (long word : seen) {
      assertEquals(-1, word, "a bit is used by no code");
    }
  }

  @Test
  void packingTouchesNothingButItsBlock() {
    byte[] bytes = new byte[64 + Encoding.Q6.blockBytes() + 64];
    byte[] codes = new byte[CODES];
    Arrays.fill(codes, (byte) 63);
    ScalarCodes.packBlock(Encoding.Q6, codes, MemorySegment.ofArray(bytes), 64);
    byte[] expected = new byte[bytes.length];
    Arrays.fill(expected, 64, bytes.length - 64, (byte) 0xFF);
    assertArrayEquals(expected, bytes);
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void floatsHaveNoCodes(Encoding encoding) {
    MemorySegment block = MemorySegment.ofArray(new byte[4096]);
    assertThrows(
        IllegalArgumentException.class,
        () -> ScalarCodes.packBlock(encoding, new byte[CODES], block, 0));
    assertThrows(
        IllegalArgumentException.class, () -> ScalarCodes.codeAt(encoding, block, 0, 0, 0));
  }
}
