package bora.verifier;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.SmallFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.IntStream;

/**
 * Lists of token ids in files: a JSON array of integers, or integers separated by white space or
 * commas.
 */
public final class TokenIds {
  private static final int MAX_BYTES = 64 << 20;

  /** Ids stay below 10^9. */
  private static final int MAX_DIGITS = 9;

  private TokenIds() {}

  /**
   * Reads a whole list.
   *
   * @throws CorruptFileException when anything in it is no token id, or nothing is
   */
  public static int[] read(Path file) throws IOException {
    String text = SmallFile.readText(file, MAX_BYTES).strip();
    if (text.startsWith("[") && text.endsWith("]")) {
      text = text.substring(1, text.length() - 1).strip();
    }
    if (text.isEmpty()) {
      throw new CorruptFileException(file, "token list: expected at least one id, found none");
    }
    IntStream.Builder tokens = IntStream.builder();
    int count = 0;
    int end;
    for (int start = 0; ; start = afterSeparator(text, end)) {
      end = endOfWord(text, start);
      String word = text.substring(start, end);
      if (word.isEmpty()
          || word.length() > MAX_DIGITS
          || !word.chars().allMatch(TokenIds::isDigit)) {
        throw new CorruptFileException(
            file, "token " + count + ": expected a token id, found `" + word + "`");
      }
      tokens.add(Integer.parseInt(word));
      count++;
      if (end == text.length()) {
        return tokens.build().toArray();
      }
    }
  }

  private static boolean isDigit(int c) {
    return c >= '0' && c <= '9';
  }

  private static int endOfWord(String text, int start) {
    int end = start;
    while (end < text.length() && text.charAt(end) != ',' && !isSpace(text.charAt(end))) {
      end++;
    }
    return end;
  }

  /** Where the next word begins: after white space with at most one comma in it. */
  private static int afterSeparator(String text, int end) {
    int start = skipSpace(text, end);
    return start < text.length() && text.charAt(start) == ',' ? skipSpace(text, start + 1) : start;
  }

  private static int skipSpace(String text, int from) {
    int start = from;
    while (start < text.length() && isSpace(text.charAt(start))) {
      start++;
    }
    return start;
  }

  private static boolean isSpace(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
  }

  /**
   * @throws MismatchedArtifactException naming the first id that the vocabulary does not have
   */
  static void requireBelow(int vocabSize, int[] tokens, Path file)
      throws MismatchedArtifactException {
    for (int token : tokens) {
      if (token >= vocabSize) {
        throw new MismatchedArtifactException(
            file,
            "tokens of another model: expected ids below the vocabulary of "
                + vocabSize
                + ", found "
                + token);
      }
    }
  }
}
