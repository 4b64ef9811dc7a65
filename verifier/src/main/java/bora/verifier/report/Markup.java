package bora.verifier.report;

import java.util.ArrayDeque;
import java.util.Deque;

/** HTML, written element by element. Texts and attribute values are escaped, names are not. */
final class Markup {
  private final StringBuilder html = new StringBuilder();
  private final Deque<String> open = new ArrayDeque<>();

  /**
   * Begins an element.
   *
   * @param attributes names and values in turn
   */
  Markup start(String element, String... attributes) {
    html.append('<').append(element);
    for (int i = 0; i < attributes.length; i += 2) {
      html.append(' ').append(attributes[i]).append("=\"").append(escaped(attributes[i + 1]));
      html.append('"');
    }
    html.append('>');
    open.push(element);
    return this;
  }

  /** Ends the element begun last. */
  Markup end() {
    html.append("</").append(open.pop()).append(">");
    if (open.size() < 5) {
      html.append('\n');
    }
    return this;
  }

  Markup text(String text) {
    html.append(escaped(text));
    return this;
  }

  /** A whole element with nothing but text. */
  Markup element(String element, String text, String... attributes) {
    return start(element, attributes).text(text).end();
  }

  /** What is HTML, CSS or JavaScript already. */
  Markup raw(String content) {
    html.append(content);
    return this;
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  @Override
  public String toString() {
    if (!open.isEmpty()) {
      throw new IllegalStateException("elements still open: " + open);
    }
    return html.toString();
  }
}
