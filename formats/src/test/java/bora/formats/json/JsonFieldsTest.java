package bora.formats.json;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class JsonFieldsTest {
  private static final Path FILE = Path.of("some.json");

  /** Reads one value of fields. */
  interface Read {
    Object from(JsonFields fields) throws IOException;
  }

  private static JsonFields fields(String json) throws IOException {
    return JsonFields.of(FILE, StrictJson.parseObject(FILE, json.getBytes(StandardCharsets.UTF_8)));
  }

  private static Arguments wrong(String json, Read read, String message) {
    return Arguments.of(json, read, message);
  }

  static List<Arguments> wrongValues() {
    return List.of(
        wrong("{}", f -> f.text("a"), "a: missing"),
        wrong("{}", f -> f.isNull("a"), "a: missing"),
        wrong("{'a':1}", f -> f.text("a"), "a: expected a string, found 1"),
        wrong("{'a':null}", f -> f.text("a"), "a: expected a string, found null"),
        wrong("{'a':'1'}", f -> f.integer("a"), "a: expected an integer, found \"1\""),
        wrong("{'a':1.0}", f -> f.integer("a"), "a: expected an integer, found 1.0"),
        wrong(
            "{'a':9223372036854775808}",
            f -> f.integer("a"),
            "a: expected an integer, found 9223372036854775808"),
        wrong(
            "{'a':2147483648}",
            f -> f.smallInteger("a"),
            "a: expected an integer below 2^31, found 2147483648"),
        wrong("{'a':true}", f -> f.number("a"), "a: expected a number, found true"),
        wrong("{'a':0}", f -> f.flag("a"), "a: expected true or false, found 0"),
        wrong("{'a':[1,'2']}", f -> f.smallIntegers("a"), "a: expected a list of integers"),
        wrong("{'a':[4294967296]}", f -> f.smallIntegers("a"), "a: expected a list of integers"),
        wrong("{'a':['1',2]}", f -> f.texts("a"), "a: expected a list of strings"),
        wrong("{'a':{}}", f -> f.texts("a"), "a: expected a list, found {}"),
        wrong("{'a':[]}", f -> f.object("a"), "a: expected an object, found []"),
        wrong("{'a':[{},1]}", f -> f.objects("a"), "a: expected a list of objects, found 1"),
        wrong(
            "{'a':{'b':{'c':1}}}",
            f -> f.object("a").object("b").text("c"),
            "a.b.c: expected a string, found 1"),
        wrong("{'a':{'b':{}}}", f -> f.object("a").object("b").text("c"), "a.b.c: missing"),
        wrong(
            "{'a':[{'b':1},{'b':'x'}]}",
            f -> f.objects("a").get(1).integer("b"),
            "a[1].b: expected an integer, found \"x\""));
  }

  @ParameterizedTest(name = "{2}")
  @MethodSource("wrongValues")
  void messageNamesFileAndPathOfTheField(String json, Read read, String message)
      throws IOException {
    JsonFields fields = fields(json.replace('\'', '"'));
    assertCorrupt(FILE, () -> read.from(fields), message);
  }

  @Test
  void readsWhatIsThere() throws IOException {
    JsonFields fields =
        fields(
            """
            {"text": "x", "integer": 9223372036854775807, "small": -2147483648, "number": 1,
             "flag": true, "integers": [1, 2], "texts": ["a"], "null": null}
            """);
    assertEquals("x", fields.text("text"));
    assertEquals(Long.MAX_VALUE, fields.integer("integer"));
    assertEquals(Integer.MIN_VALUE, fields.smallInteger("small"));
    assertEquals(1.0, fields.number("number"));
    assertTrue(fields.flag("flag"));
    assertEquals(List.of(1, 2), fields.smallIntegers("integers"));
    assertEquals(List.of("a"), fields.texts("texts"));
    assertFalse(fields.has("null"));
    assertTrue(fields.isNull("null"));
    assertFalse(fields.isNull("text"));
    assertFalse(fields.has("absent"));
    assertTrue(fields.has("text"));
    fields.refuseOthers();
  }

  @Test
  void refusesFieldsThatWereNeverAskedFor() throws IOException {
    JsonFields inner = fields("{\"a\":[{\"b\":1,\"c\":2}]}").objects("a").get(0);
    assertEquals(1, inner.integer("b"));
    assertCorrupt(FILE, inner::refuseOthers, "a[0].c: unknown field");
  }

  @Test
  void namesKeepTheOrderOfTheFile() throws IOException {
    assertEquals(List.of("z", "a", "m"), fields("{\"z\":1,\"a\":2,\"m\":3}").names());
  }
}
