package bora.converter.chat;

import com.hubspot.jinjava.interpret.InterpretException;

/** What transformers lets a chat template call, beyond Jinja's own. */
public final class TemplateFunctions {
  private TemplateFunctions() {}

  /** Ends the rendering: the template refuses the conversation. */
  public static String raiseException(String message) {
    throw new InterpretException(message);
  }
}
