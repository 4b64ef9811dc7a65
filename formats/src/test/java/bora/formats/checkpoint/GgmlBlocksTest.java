package bora.formats.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Blocks of GGUF files, by hand and against another implementation. */
class GgmlBlocksTest {
  /**
   * Random blocks as {@code gguf.quants.dequantize} of gguf-py 0.19.0 decodes them: the CRC-32 of
   * the float32 values, little-endian, and the first two, the middle and the last of them.
   */
  static List<Arguments> recordedBlocks() {
    return List.of(
        Arguments.of(
            WeightType.Q4_0,
            "4c2234b88274b4537993083cda2cbefce57b",
            0x8ECF49D2,
            new float[] {-0x1.930000p-5f, 0x0.0p+0f, -0x1.f7c000p-5f, -0x1.930000p-7f}),
        Arguments.of(
            WeightType.Q8_0,
            "4c229751463f83a4d257dec9e151c5a3ac89b1de76095f0c46221e64b23dda92c406",
            0x673E0013,
            new float[] {-0x1.4a9600p+0f, 0x1.fe0c00p-1f, -0x1.f17400p-1f, 0x1.2e4000p-4f}),
        Arguments.of(
            WeightType.Q4_K,
            "4c22bca8dc786c5f4310470a974f611b948aeb8ae17a9d7a20d249f51141c93d2b1b51d96045d441"
                + "a5289a243b914a2ff1b6d665691ba1315afd4be59b0257d088dcf7cd16b1486c2801c70798018441"
                + "bb701172c7684597347b2c73d596b19a9b4feb60d77c98a555120007d9a64ee95a40358962e87326"
                + "96e3c0d0123a135f5d0c28e0e9e5dc4826c9ade41dd44b04",
            0xA3E54B9,
            new float[] {0x1.7d0800p+0f, 0x1.c6fc00p+1f, 0x1.0bb0c0p+3f, 0x1.2f0000p-5f}),
        Arguments.of(
            WeightType.Q5_K,
            "4c22bca89f517a2e32e1ab6f090009657ab0bffcbc02b064b75de3c1efe1e19de74456633ebdc773"
                + "3415cc13cb057a9bf5618c658e751a3946d5c5290dfb4c22d95aafe5ff4e4c5413d588dff28f9a18"
                + "9444d21145afa75dd8b41df7a34fce7547276bb3c7a30fb8ede3409d8257f5ddf8837053f019450d"
                + "a9843d269cb3c2f43dd95d1a279158b8929d0d733d4420fd6d4d17f3372d681e38344003006d0160"
                + "734fc86a0bb8938027fc5a2c6c094abf",
            0xE4C3AD0D,
            new float[] {0x1.e0b900p+1f, 0x1.1d8500p+1f, 0x1.834200p+3f, 0x1.3cad00p+1f}),
        Arguments.of(
            WeightType.Q6_K,
            "c0c6e3886db99f4f830b291d38ed2c7319d180e71b61b246b39fba4df47cfc72285616bf15a88d82"
                + "d27d699dcaaba590b14d9877bbd745b4d7840ae025eae73d18922cb5ffd267a12770b035e9d11317"
                + "f5d856b8053f6d9c4a54b480df7c837573896b6367ce852236f6f86066bfb64171333aea07889b10"
                + "4368b7fbfc7d505f71a32b4df01a5e67b6486776e0d7207d0fa57db2a12ce2110879c1dbc5ff36b7"
                + "1a17fe3604a2a551e4d6e5d83e482448709a2854318630e497aed960767fe299c33505b220d19ea8"
                + "4808f28d164d0b884c22",
            0x16DB4138,
            new float[] {0x1.801c00p+3f, -0x1.081340p+4f, 0x1.c56000p+2f, -0x1.d84400p+2f}));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("recordedBlocks")
  void decodesAsGgufPyDoes(WeightType type, String hex, int crc32, float[] some) {
    float[] values = decode(type, HexFormat.of().parseHex(hex));
    int last = values.length - 1;
    assertArrayEquals(
        some, new float[] {values[0], values[1], values[values.length / 2], values[last]});
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      bytes.putFloat(value);
    }
    CRC32 crc = new CRC32();
    crc.update(bytes.array());
    assertEquals(crc32, (int) crc.getValue());
  }

  private static float[] decode(WeightType type, byte[] block) {
    assertEquals(type.blockBytes(), block.length);
    float[] values = new float[type.blockElements() + 1];
    values[0] = -77;
    GgmlBlocks.decode(type, block, values, 1);
    assertEquals(-77, values[0]);
    return Arrays.copyOfRange(values, 1, values.length);
  }

  private static byte[] block(WeightType type, int... bytes) {
    byte[] block = new byte[type.blockBytes()];
    for (int i = 0; i < bytes.length; i++) {
      block[i] = (byte) bytes[i];
    }
    return block;
  }

  /** d = 0.5 is 0x3800; nibbles are 8 too high; high nibbles are elements 16 and on. */
  @Test
  void q40ByHand() {
    float[] values = decode(WeightType.Q4_0, block(WeightType.Q4_0, 0x00, 0x38, 0xF0, 0x18));
    assertEquals(-4, values[0]);
    assertEquals(3.5f, values[16]);
    assertEquals(0, values[1]);
    assertEquals(-3.5f, values[17]);
    assertEquals(-4, values[31]);
  }

  /** d = -2 is 0xC000. */
  @Test
  void q80ByHand() {
    float[] values = decode(WeightType.Q8_0, block(WeightType.Q8_0, 0x00, 0xC0, 0x80, 0x7F, 1));
    assertArrayEquals(new float[] {256, -254, -2, -0.0f}, Arrays.copyOf(values, 4));
  }

  /** d = 1, m = 0.5; group 1 has scale 3 and minimum 2, group 7 scale 0x2A and minimum 0x15. */
  @Test
  void q4kByHand() {
    byte[] block = block(WeightType.Q4_K, 0x00, 0x3C, 0x00, 0x38);
    block[4 + 1] = 3;
    block[4 + 5] = 2;
    block[4 + 3] = (byte) 0x80;
    block[4 + 7] = (byte) 0x40;
    block[4 + 11] = 0x5A;
    block[16] = (byte) 0x90; // group 0 element 0: 0; group 1 element 0: 9
    block[16 + 96 + 31] = (byte) 0xF5; // group 6 element 31: 5; group 7 element 31: 15
    float[] values = decode(WeightType.Q4_K, block);
    assertEquals(0, values[0]);
    assertEquals(3 * 9 - 0.5f * 2, values[32]);
    assertEquals(-0.5f * 2, values[33]);
    assertEquals(0, values[6 * 32 + 31]);
    assertEquals(0x2A * 15 - 0.5f * 0x15, values[7 * 32 + 31]);
  }

  /** As Q4_K by hand; bit 1 of byte 0 is the fifth bit of group 1 element 0. */
  @Test
  void q5kByHand() {
    byte[] block = block(WeightType.Q5_K, 0x00, 0x3C, 0x00, 0x38);
    block[4 + 1] = 3;
    block[4 + 5] = 2;
    block[16] = 0b10;
    block[48] = (byte) 0x90;
    float[] values = decode(WeightType.Q5_K, block);
    assertEquals(3 * (16 + 9) - 0.5f * 2, values[32]);
    assertEquals(-0.5f * 2, values[33]);
  }

  /** d = 0.25; run 6 is the second half's third, its scales are 12 and 13. */
  @Test
  void q6kByHand() {
    byte[] block = block(WeightType.Q6_K);
    block[208] = 0x00;
    block[209] = 0x34;
    block[192 + 12] = 2;
    block[192 + 13] = -3;
    block[64] = (byte) 0xA0; // low nibble of run 4, high nibble 10 of run 6, element 0
    block[128 + 32] = 0b0011_0000; // upper bits 3 of run 6 element 0
    block[64 + 16] = 0x10; // run 6 element 16: 1, upper bits 0
    float[] values = decode(WeightType.Q6_K, block);
    assertEquals(0.25f * 2 * (10 + 48 - 32), values[6 * 32]);
    assertEquals(0.25f * -3 * (1 - 32), values[6 * 32 + 16]);
    assertEquals(-0.0f, values[4 * 32]); // code -32, scale 0
  }

  @Test
  void floatsHaveNoBlocks() {
    assertThrows(
        IllegalArgumentException.class,
        () -> GgmlBlocks.decode(WeightType.BF16, new byte[2], new float[1], 0));
  }
}
