package bora.formats.json;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class StrictJsonTest {
  private static final Path FILE = Path.of("some.json");

  static List<Arguments> refused() {
    return List.of(
        refused("nothing", ""),
        refused("white space", "  \n"),
        refused("a list", "[]"),
        refused("null", "null"),
        refused("a cut object", "{\"a\": 1"),
        refused("a duplicate key", "{\"a\": 1, \"a\": 1}"),
        refused("a duplicate key inside", "{\"x\": [{\"a\": 1, \"a\": 2}]}"),
        refused("text after the document", "{} {}"),
        refused("a comment", "{} // no"),
        refused("single quotes", "{'a': 1}"),
        refused("a trailing comma", "{\"a\": 1,}"),
        refused("NaN", "{\"a\": NaN}"),
        refused("deep nesting", "{\"a\": " + "[".repeat(100) + "]".repeat(100) + "}"),
        refused("deeper nesting", "{\"a\": " + "[".repeat(1_000_000)),
        refused("a number of 2000 digits", "{\"a\": " + "1".repeat(2000) + "}"),
        Arguments.of("UTF-16, little-endian", "{\"a\":1}".getBytes(StandardCharsets.UTF_16LE)),
        Arguments.of("UTF-16, big-endian", "{\"a\":1}".getBytes(StandardCharsets.UTF_16BE)),
        Arguments.of("UTF-32", "{\"a\":1}".getBytes(StandardCharsets.UTF_32LE)),
        refused("a byte order mark", "\uFEFF{\"a\":1}"),
        Arguments.of("Latin-1", "{\"a\":\"\u00e9\"}".getBytes(StandardCharsets.ISO_8859_1)),
        Arguments.of(
            "an overlong form",
            new byte[] {'{', '"', (byte) 0xC0, (byte) 0x80, '"', ':', '1', '}'}),
        Arguments.of(
            "a surrogate in UTF-8",
            new byte[] {'{', '"', (byte) 0xED, (byte) 0xA0, (byte) 0x80, '"', ':', '1', '}'}));
  }

  private static Arguments refused(String name, String json) {
    return Arguments.of(name, json.getBytes(StandardCharsets.UTF_8));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("refused")
  void refuses(String name, byte[] json) {
    assertCorrupt(FILE, () -> StrictJson.parseObject(FILE, json));
  }

  @Test
  void complaintSaysWhere() {
    byte[] json = "{\n \"a\": 1,\n \"a\": 2}".getBytes(StandardCharsets.UTF_8);
    assertCorrupt(FILE, () -> StrictJson.parseObject(FILE, json), "Duplicate field 'a'", "line 3");
  }

  @Test
  void refusesFilesThatAreTooLong(@TempDir Path directory) throws IOException {
    Path file = Files.writeString(directory.resolve("long.json"), "{\"a\":12345}");
    assertEquals(12345, StrictJson.readObject(file, 11).path("a").intValue());
    assertCorrupt(file, () -> StrictJson.readObject(file, 10), "at most 10 bytes, found more");
  }

  @Test
  void writesKeysInTheOrderInWhichTheyWerePut() throws IOException {
    byte[] bytes = StrictJson.toBytes(StrictJson.newObject().put("z", 1).put("a", "\u00e9"));
    assertArrayEquals("{\"z\":1,\"a\":\"\u00e9\"}\n".getBytes(StandardCharsets.UTF_8), bytes);
    assertEquals("\u00e9", StrictJson.parseObject(FILE, bytes).path("a").textValue());
  }

  @Test
  void indentedFormEndsWithALineFeedAndHoldsTheSame() throws IOException {
    byte[] bytes = StrictJson.toIndentedBytes(StrictJson.newObject().put("z", 1));
    assertEquals('\n', bytes[bytes.length - 1]);
    assertEquals(1, StrictJson.parseObject(FILE, bytes).path("z").intValue());
  }
}
