package bora.converter.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.json.StrictJson;
import bora.runtime.text.TokenizerFiles;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class ChatTemplateTest {
  private static final Path EXAMPLE = Path.of("..", "examples", "tiny-mixtral");
  private static final Message HELLO = new Message(Message.USER, "Hello");

  @TempDir private Path directory;

  private ChatTemplate template(String text) throws IOException {
    ObjectNode config = StrictJson.newObject();
    config.putObject("bos_token").put("content", "<s>");
    config.put("eos_token", "</s>").put("chat_template", text);
    Files.write(directory.resolve("tokenizer_config.json"), StrictJson.toBytes(config));
    return ChatTemplate.open(TokenizerFiles.of(directory));
  }

  @Test
  void rendersMistralsFormat() throws IOException {
    ChatTemplate template = ChatTemplate.open(TokenizerFiles.of(EXAMPLE));
    assertEquals("<s>[INST] Hello [/INST]", template.render(List.of(HELLO)));
    assertEquals(
        "<s>[INST] Hello [/INST]Hi there</s>[INST] Hello [/INST]",
        template.render(List.of(HELLO, new Message(Message.ASSISTANT, "Hi there"), HELLO)));
  }

  @Test
  void passesOnWhyATemplateRefuses() throws IOException {
    ChatTemplate template = ChatTemplate.open(TokenizerFiles.of(EXAMPLE));
    TemplateException e =
        assertThrows(TemplateException.class, () -> template.render(List.of(HELLO, HELLO)));
    assertTrue(e.getMessage().contains("roles must alternate"), e.getMessage());
  }

  static Stream<Arguments> templates() {
    return Stream.of(
        Arguments.of("{% for m in messages %}\n  {{ loop.index0 }}\n{% endfor %}\n", "  0\n"),
        Arguments.of("{%- if true %} a {%- endif %}", " a"),
        Arguments.of("{% set ns = namespace(n=1) %}{% set ns.n = 2 %}{{ ns.n }}", "2"),
        Arguments.of("{{ messages[0]['content'] | trim }}{{ eos_token }}", "Hello</s>"),
        Arguments.of("{{ messages[0].role + '/' + messages[-1]['role'] }}", "user/user"),
        Arguments.of("{% if tools is defined %}t{% else %}no{% endif %}", "no"),
        Arguments.of("{% if add_generation_prompt %}go{% endif %}", "go"),
        Arguments.of("{% for m in messages %}{% if loop.last %}l{% endif %}{% endfor %}", "l"));
  }

  @ParameterizedTest
  @MethodSource("templates")
  void rendersAsTransformersDoes(String text, String expected) throws IOException {
    assertEquals(expected, template(text).render(List.of(HELLO)));
  }

  @Test
  void readsNoTemplateInWhatAPersonWrites() throws IOException {
    String written = "{{ 1 + 1 }}{% for i in range(9) %}x{% endfor %}{# no #}";
    String rendered =
        template("{{ messages[0]['content'] }}")
            .render(List.of(new Message(Message.USER, written)));
    assertEquals(written, rendered);
  }

  static Stream<String> endless() {
    String loop = "{% for i in range(1000) %}";
    String end = "{% endfor %}";
    return Stream.of(
        loop + loop + loop + loop + "x" + end + end + end + end,
        loop + loop + loop + loop + end + end + end + end,
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set s = 'xxxxxxxxxxxxxxxx' %}" + loop + "{% set s = s ~ s %}" + end + "{{ s }}");
  }

  @ParameterizedTest
  @MethodSource("endless")
  void endsATemplateThatDoesNot(String text) throws IOException {
    ChatTemplate template = template(text);
    assertThrows(TemplateException.class, () -> template.render(List.of(HELLO)));
  }

  static Stream<String> reaching() {
    return Stream.of(
        "{% include 'tokenizer_config.json' %}",
        "{% import '/etc/hostname' as x %}{{ x }}",
        "{% extends '/etc/hostname' %}",
        "{{ ''.getClass() }}",
        "{{ messages.getClass().forName('java.lang.Runtime') }}");
  }

  @ParameterizedTest
  @MethodSource("reaching")
  void reachesNothingOutside(String text) throws IOException {
    ChatTemplate template = template(text);
    assertThrows(TemplateException.class, () -> template.render(List.of(HELLO)));
  }

  @Test
  void prefersTheTemplateInAFileOfItsOwn() throws IOException {
    template("in the config");
    Files.writeString(directory.resolve("chat_template.jinja"), "{{ bos_token }}own\n");
    ChatTemplate template = ChatTemplate.open(TokenizerFiles.of(directory));
    assertEquals("<s>own", template.render(List.of(HELLO)));
  }

  @Test
  void saysThatAModelHasNoTemplate() {
    NoSuchFileException e =
        assertThrows(
            NoSuchFileException.class, () -> ChatTemplate.open(TokenizerFiles.of(directory)));
    assertTrue(e.getMessage().contains("no chat template"), e.getMessage());
  }
}
