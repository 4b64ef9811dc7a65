package bora.converter.cli;

import java.io.FilterWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;

/**
 * Writes what files say of themselves so that a terminal shows it and does nothing else: control
 * characters, but for line feeds, and those that turn the direction of text are written out.
 */
final class PlainWriter extends FilterWriter {
  private PlainWriter(Writer out) {
    super(out);
  }

  static PrintWriter over(Writer out) {
    return new PrintWriter(new PlainWriter(out), true);
  }

  static String plain(String text) {
    StringBuilder plain = new StringBuilder(text.length());
    text.chars().forEach(c -> append(plain, (char) c));
    return plain.toString();
  }

  private static void append(StringBuilder plain, char c) {
    boolean turnsText = (c >= '\u202A' && c <= '\u202E') || (c >= '\u2066' && c <= '\u2069');
    if (c != '\n' && (Character.isISOControl(c) || turnsText)) {
      plain.append(String.format("\\u%04x", (int) c));
    } else {
      plain.append(c);
    }
  }

  @Override
  public void write(int c) throws IOException {
    out.write(plain(String.valueOf((char) c)));
  }

  @Override
  public void write(char[] chars, int offset, int length) throws IOException {
    out.write(plain(new String(chars, offset, length)));
  }

  @Override
  public void write(String text, int offset, int length) throws IOException {
    out.write(plain(text.substring(offset, offset + length)));
  }
}
