package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFileTest {
  @TempDir Path directory;

  private Path write(byte[] bytes) throws IOException {
    return Files.write(directory.resolve("model.safetensors"), bytes);
  }

  private static byte[] literal(String hex, String text) {
    byte[] length = HexFormat.of().parseHex(hex.replace(" ", ""));
    byte[] header = text.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(length.length + header.length).put(length).put(header).array();
  }

  static List<Arguments> framings() {
    return List.of(
        Arguments.of("an empty file", new byte[0], "at least 8 bytes, found 0"),
        Arguments.of("7 bytes", new byte[7], "at least 8 bytes, found 7"),
        Arguments.of("no header", new byte[8], "header: expected a JSON object"),
        Arguments.of(
            "a header longer than the file",
            literal("03 00 00 00 00 00 00 00", "{}"),
            "expected 3 bytes of header, found 2; was the download cut short?"),
        Arguments.of(
            "a header of 100,000,001 bytes",
            literal("01 E1 F5 05 00 00 00 00", "{}"),
            "header length: expected at most 100000000, found 100000001"),
        Arguments.of(
            "a header of 2^64 - 1 bytes",
            literal("FF FF FF FF FF FF FF FF", "{}"),
            "header length: expected at most 100000000, found 18446744073709551615"),
        Arguments.of(
            "an LFS pointer",
            """
            version https://git-lfs.github.com/spec/v1
            oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
            size 4943162336
            """
                .getBytes(StandardCharsets.UTF_8),
            "found a Git LFS pointer; run `git lfs pull`"),
        Arguments.of(
            "a web page", "<!DOCTYPE html><html>".getBytes(StandardCharsets.UTF_8), "safetensors"),
        Arguments.of("no JSON", literal("02 00 00 00 00 00 00 00", "{x"), "no valid JSON"),
        Arguments.of(
            "white space before the header",
            literal("03 00 00 00 00 00 00 00", " {}"),
            "header: expected a JSON object"),
        Arguments.of(
            "a list", literal("02 00 00 00 00 00 00 00", "[]"), "header: expected a JSON object"),
        Arguments.of(
            "text after the object", literal("03 00 00 00 00 00 00 00", "{}x"), "no valid JSON"),
        Arguments.of(
            "a header that is not UTF-8",
            SafetensorsFixture.file(
                "{\"\u00e9\":1}".getBytes(StandardCharsets.ISO_8859_1), new byte[0]),
            "UTF-8"),
        Arguments.of(
            "a header in UTF-16",
            SafetensorsFixture.file("{}".getBytes(StandardCharsets.UTF_16LE), new byte[0]),
            "no valid JSON"),
        Arguments.of(
            "bytes that belong to no tensor",
            SafetensorsFixture.file("{}", new byte[3]),
            "tensors do not cover the file: expected 0 bytes of data, found 3"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("framings")
  void refusesFile(String name, byte[] bytes, String problem) throws IOException {
    Path file = write(bytes);
    assertCorrupt(file, () -> SafetensorsFile.open(file), problem);
  }

  /** Headers over 8 bytes of data; the tensor that is wrong is `t`. */
  static List<Arguments> headers() {
    return List.of(
        header("{'t':5}", "data_offsets"),
        header("{'t':{'shape':[2],'data_offsets':[0,8]}}", "dtype: expected one of [F64, F32"),
        header("{'t':{'dtype':'F32','data_offsets':[0,8]}}", "shape: expected a list of sizes"),
        header("{'t':{'dtype':'F32','shape':[2]}}", "data_offsets: expected two integers"),
        header("{'t':{'dtype':4,'shape':[2],'data_offsets':[0,8]}}", "dtype", "found 4"),
        header("{'t':{'dtype':'f32','shape':[2],'data_offsets':[0,8]}}", "found \"f32\""),
        header("{'t':{'dtype':'Q4_0','shape':[2],'data_offsets':[0,8]}}", "found \"Q4_0\""),
        header("{'t':{'dtype':null,'shape':[2],'data_offsets':[0,8]}}", "dtype", "found null"),
        header("{'t':{'dtype':'F32','shape':2,'data_offsets':[0,8]}}", "shape", "found 2"),
        header("{'t':{'dtype':'F32','shape':['2'],'data_offsets':[0,8]}}", "shape", "[\"2\"]"),
        header("{'t':{'dtype':'F32','shape':[2.0],'data_offsets':[0,8]}}", "shape", "[2.0]"),
        header("{'t':{'dtype':'F32','shape':{'0':2},'data_offsets':[0,8]}}", "shape"),
        header("{'t':{'dtype':'F32','shape':[-2],'data_offsets':[0,8]}}", "shape", "[-2]"),
        header("{'t':{'dtype':'F32','shape':[-1,-2],'data_offsets':[0,8]}}", "shape", "[-1,-2]"),
        header(
            "{'t':{'dtype':'F32','shape':[18446744073709551618],'data_offsets':[0,8]}}", "shape"),
        header(
            "{'t':{'dtype':'F32','shape':[4611686018427387904,4],'data_offsets':[0,8]}}",
            "shape [4611686018427387904, 4] overflows"),
        header(
            "{'t':{'dtype':'F64','shape':[2305843009213693953],'data_offsets':[0,8]}}",
            "shape [2305843009213693953] overflows"),
        header("{'t':{'dtype':'F32','shape':[2],'data_offsets':8}}", "data_offsets", "found 8"),
        header("{'t':{'dtype':'F32','shape':[2],'data_offsets':[8]}}", "data_offsets"),
        header("{'t':{'dtype':'F32','shape':[2],'data_offsets':[0,8,8]}}", "data_offsets"),
        header("{'t':{'dtype':'F32','shape':[2],'data_offsets':['0',8]}}", "data_offsets"),
        header("{'t':{'dtype':'F32','shape':[2],'data_offsets':[0,8.0]}}", "data_offsets"),
        header("{'t':{'dtype':'F32','shape':[2],'data_offsets':[0,null]}}", "data_offsets"),
        header(
            "{'t':{'dtype':'F32','shape':[2],'data_offsets':[-8,0]}}",
            "a range within the 8 bytes of data, found -8 to 0"),
        header("{'t':{'dtype':'F32','shape':[2],'data_offsets':[8,0]}}", "found 8 to 0"),
        header(
            "{'t':{'dtype':'F32','shape':[4],'data_offsets':[0,16]}}",
            "found 0 to 16; was the download cut short?"),
        header(
            "{'t':{'dtype':'F32','shape':[2],'data_offsets':[0,9223372036854775808]}}",
            "data_offsets"),
        header(
            "{'t':{'dtype':'F32','shape':[1],'data_offsets':[0,8]}}",
            "expected 4 bytes for F32 [1], found 8"),
        header("{'t':{'dtype':'F32','shape':[],'data_offsets':[0,8]}}", "expected 4 bytes"),
        header(
            "{'a':{'dtype':'U8','shape':[5],'data_offsets':[0,5]},"
                + "'t':{'dtype':'U8','shape':[4],'data_offsets':[4,8]}}",
            "overlaps its predecessor: expected to start at byte 5 of the data, found 4"),
        header(
            "{'a':{'dtype':'U8','shape':[8],'data_offsets':[0,8]},"
                + "'t':{'dtype':'U8','shape':[8],'data_offsets':[0,8]}}",
            "overlaps its predecessor"),
        header(
            "{'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]},"
                + "'t':{'dtype':'U8','shape':[3],'data_offsets':[5,8]}}",
            "leaves a hole before it: expected to start at byte 4 of the data, found 5"),
        header("{'t':{'dtype':'U8','shape':[7],'data_offsets':[1,8]}}", "leaves a hole before it"));
  }

  private static Arguments header(String json, String... problem) {
    return Arguments.of(json.replace('\'', '"'), problem);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("headers")
  void refusesTensorByName(String header, String[] problem) throws IOException {
    Path file = write(SafetensorsFixture.file(header, new byte[8]));
    assertCorrupt(file, () -> SafetensorsFile.open(file), problem);
    assertCorrupt(file, () -> SafetensorsFile.open(file), "tensor `t`");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'t':{'dtype':'U8','shape':[8],'data_offsets':[0,8]},"
            + "'t':{'dtype':'U8','shape':[8],'data_offsets':[0,8]}}",
        "{'t':{'dtype':'U8','dtype':'I8','shape':[8],'data_offsets':[0,8]}}",
        "{'__metadata__':{},'__metadata__':{},'t':{'dtype':'U8','shape':[8],'data_offsets':[0,8]}}"
      })
  void refusesDuplicateKeys(String header) throws IOException {
    Path file = write(SafetensorsFixture.file(header.replace('\'', '"'), new byte[8]));
    assertCorrupt(file, () -> SafetensorsFile.open(file), "Duplicate field");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"{'__metadata__':[]}", "{'__metadata__':{'a':1}}", "{'__metadata__':null}"})
  void refusesMetadataOtherThanStrings(String header) throws IOException {
    Path file = write(SafetensorsFixture.file(header.replace('\'', '"'), new byte[0]));
    assertCorrupt(file, () -> SafetensorsFile.open(file), "__metadata__");
  }

  @Test
  void refusesTruncationAtEveryLength() throws IOException {
    byte[] whole =
        new SafetensorsFixture()
            .tensor("a", "F32", new byte[8], 2)
            .tensor("b", "BF16", new byte[6], 3)
            .toBytes();
    for (int length = 0; length < whole.length; length++) {
      Path file = write(Arrays.copyOf(whole, length));
      assertCorrupt(file, () -> SafetensorsFile.open(file));
    }
  }

  @Test
  void claimedHeaderIsNotAllocatedBeforeTheFileHasIt() throws IOException {
    byte[] bytes = new byte[1024];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, 99_999_999);
    Path file = write(bytes);
    assertCorrupt(file, () -> SafetensorsFile.open(file));
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    assertCorrupt(file, () -> SafetensorsFile.open(file));
    long allocated = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(allocated < 1 << 20, () -> allocated + " bytes were allocated");
  }

  @Test
  void missingFileAndDirectoryAreNamed() {
    for (Path path : List.of(directory.resolve("none"), directory)) {
      assertEquals(
          path.toString(),
          assertThrows(NoSuchFileException.class, () -> SafetensorsFile.open(path)).getFile());
    }
  }

  @Test
  void readsLiteralBytes() throws IOException {
    String header =
        "{\"__metadata__\":{\"format\":\"pt\"},"
            + "\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[6,7]},"
            + "\"a\":{\"dtype\":\"BF16\",\"shape\":[1,3],\"data_offsets\":[0,6]},"
            + "\"e\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[6,6]}}   ";
    Path path = write(SafetensorsFixture.file(header, new byte[] {1, 2, 3, 4, 5, 6, 7}));
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertEquals(path, file.path());
      assertEquals(Map.of("format", "pt"), file.metadata());
      assertEquals(List.of("a", "b", "e"), List.copyOf(file.entries().keySet()));
      assertEntry(file, "a", DType.BF16, List.of(1L, 3L), 1, 2, 3, 4, 5, 6);
      assertEntry(file, "b", DType.U8, List.of(), 7);
      assertEntry(file, "e", DType.F32, List.of(0L, 4L));
    }
  }

  @Test
  void emptyTensorsMayStandAnywhereBetweenOthers() throws IOException {
    Path path =
        new SafetensorsFixture()
            .tensor("z", "F32", new byte[0], 0)
            .tensor("a", "U8", new byte[] {9}, 1)
            .tensor("y", "I64", new byte[0], 3, 0, 5)
            .tensor("x", "BOOL", new byte[0], 0)
            .tensor("b", "U8", new byte[] {8}, 1)
            .tensor("w", "F16", new byte[0], 0)
            .write(directory.resolve("empty.safetensors"));
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      assertEquals(6, file.entries().size());
      assertEntry(file, "b", DType.U8, List.of(1L), 8);
      assertEntry(file, "y", DType.I64, List.of(3L, 0L, 5L));
    }
  }

  @Test
  void fileWithoutTensorsIsValid() throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(write(literal("0200000000000000", "{}")))) {
      assertTrue(file.entries().isEmpty());
      assertTrue(file.metadata().isEmpty());
    }
  }

  private static void assertEntry(
      SafetensorsFile file, String name, DType dtype, List<Long> dimensions, int... bytes) {
    SafetensorsEntry entry = file.entries().get(name);
    byte[] expected = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      expected[i] = (byte) bytes[i];
    }
    assertEquals(name, entry.name());
    assertEquals(dtype, entry.dtype());
    assertEquals(dimensions, entry.dimensions());
    assertArrayEquals(expected, entry.bytes().toArray(ValueLayout.JAVA_BYTE));
  }
}
