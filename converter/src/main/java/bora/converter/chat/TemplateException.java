package bora.converter.chat;

import java.io.IOException;
import java.nio.file.Path;

/** A chat template that cannot be rendered, or that refuses the conversation. */
public final class TemplateException extends IOException {
  private static final long serialVersionUID = 1;

  TemplateException(Path file, String problem) {
    super(file + ": chat template: " + problem);
  }
}
