package bora.runtime.text;

import bora.formats.CorruptFileException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;

/**
 * The tokens of a text file in UTF-8, none added at its ends. Of a file only as much is read as the
 * tokens asked for need, so it may be larger than memory.
 */
public final class TextTokens {
  /** A text that is asked for whole must fit an array of chars, several times. */
  private static final int MAX_CHARS = 1 << 28;

  /** Chars read at first for every token asked for; English has about four. */
  private static final int CHARS_PER_TOKEN = 6;

  private static final int MIN_CHARS = 1 << 12;

  private TextTokens() {}

  /**
   * The first tokens of a text: exactly the first of those that the whole text has.
   *
   * @param maxTokens the most to return; fewer are returned when the text has no more
   * @throws CorruptFileException when what is read is no UTF-8, saying where
   */
  public static int[] read(Path file, Tokenizer tokenizer, int maxTokens) throws IOException {
    if (maxTokens < 1) {
      throw new IllegalArgumentException("maxTokens: expected at least 1, found " + maxTokens);
    }
    try (InputStream in = Files.newInputStream(file)) {
      return read(new Utf8Reader(file, in), file, tokenizer, maxTokens);
    }
  }

  private static int[] read(Utf8Reader reader, Path file, Tokenizer tokenizer, int maxTokens)
      throws IOException {
    StringBuilder text = new StringBuilder();
    TokenBoundaries boundaries = null;
    long wanted = Math.max(MIN_CHARS, (long) maxTokens * CHARS_PER_TOKEN);
    while (reader.append(text, (int) Math.min(wanted, MAX_CHARS))) {
      if (boundaries == null) {
        boundaries = tokenizer.boundaries();
      }
      OptionalInt boundary = boundaries.last(text);
      if (boundary.isPresent()) {
        int[] tokens = tokenizer.encode(text.substring(0, boundary.getAsInt()));
        if (tokens.length >= maxTokens) {
          return Arrays.copyOf(tokens, maxTokens);
        }
      }
      if (wanted >= MAX_CHARS) {
        throw new IOException(
            file
                + ": too long: expected "
                + maxTokens
                + " tokens or the end within "
                + MAX_CHARS
                + " characters, found more; ask for fewer tokens");
      }
      wanted *= 2;
    }
    int[] tokens = tokenizer.encode(text.toString());
    return tokens.length > maxTokens ? Arrays.copyOf(tokens, maxTokens) : tokens;
  }
}
