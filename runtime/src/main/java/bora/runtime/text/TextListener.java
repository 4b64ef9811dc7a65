package bora.runtime.text;

/** Hears a text as it is generated. */
@FunctionalInterface
public interface TextListener {
  /**
   * Called once a token, and once more at the end when text was held back until then.
   *
   * @param text what has become certain: the token's own text, more, or none yet
   * @return whether to generate another token
   */
  boolean accept(String text);
}
