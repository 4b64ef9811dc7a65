package bora.runtime.text;

import java.util.Arrays;

/**
 * Turns tokens into text as they come. A token may hold part of a character only, and begins with a
 * space or not depending on what precedes it; so it is decoded together with the tokens before it,
 * and what may still become another character is held back.
 */
public final class TextStream {
  /** No character has more bytes than this, so no more tokens. */
  private static final int MAX_HELD_TOKENS = 4;

  private static final int CONTEXT_TOKENS = 8;
  private static final char REPLACEMENT = '\uFFFD';

  private final Tokenizer tokenizer;

  /** Tokens whose text has been given; they begin with a whole character. */
  private int[] context;

  private int[] held = new int[0];

  /**
   * @param preceding the tokens before the first; none at the start of a text
   */
  public TextStream(Tokenizer tokenizer, int[] preceding) {
    this.tokenizer = tokenizer;
    int from = Math.max(0, preceding.length - CONTEXT_TOKENS);
    context = Arrays.copyOfRange(preceding, from, preceding.length);
    while (tokenizer.decode(context).startsWith(String.valueOf(REPLACEMENT))) {
      context = Arrays.copyOfRange(context, 1, context.length);
    }
  }

  /** Takes a token; returns the text that is now certain, often that of this token. */
  public String add(int token) {
    held = Arrays.copyOf(held, held.length + 1);
    held[held.length - 1] = token;
    String news = news();
    boolean certain = !news.isEmpty() && news.charAt(news.length() - 1) != REPLACEMENT;
    if (!certain && held.length < MAX_HELD_TOKENS) {
      return "";
    }
    if (!news.isEmpty()) {
      context = held;
    }
    held = new int[0];
    return news;
  }

  /** Ends the text; returns what was held back. */
  public String end() {
    String news = news();
    context = held;
    held = new int[0];
    return news;
  }

  private String news() {
    int[] all = Arrays.copyOf(context, context.length + held.length);
    System.arraycopy(held, 0, all, context.length, held.length);
    String given = tokenizer.decode(context);
    String text = tokenizer.decode(all);
    return text.length() > given.length() ? text.substring(given.length()) : "";
  }
}
