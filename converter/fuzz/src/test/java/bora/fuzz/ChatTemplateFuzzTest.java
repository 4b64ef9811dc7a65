package bora.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.converter.chat.ChatTemplate;
import bora.converter.chat.Message;
import bora.runtime.text.TokenizerFiles;
import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A chat template. */
class ChatTemplateFuzzTest {
  private static final HostileFile FILE =
      HostileFile.of("chat_template.jinja", ChatTemplateFuzzTest::render);

  private static void render(Path file) throws IOException {
    ChatTemplate template = ChatTemplate.open(TokenizerFiles.of(file.getParent()));
    String unused =
        template.render(List.of(new Message("user", "hi"), new Message("assistant", "you")));
  }

  @FuzzTest
  void isReadOrRefused(byte[] content) {
    FILE.isTaken(content);
  }

  @Test
  void anHonestOneIsTaken() throws IOException {
    assertTrue(FILE.isTaken(Seeds.honest(ChatTemplateFuzzTest.class)));
  }
}
