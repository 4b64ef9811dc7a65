package bora.verifier;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Lists of token ids in files: a JSON array of integers, or integers separated by white space or
 * commas.
 */
public final class TokenIds {
  private TokenIds() {}

  /**
   * Reads a whole list.
   *
   * @throws CorruptFileException when anything in it is no token id, or nothing is
   */
  public static int[] read(Path file) throws IOException {
    String text = Files.readString(file).strip();
    if (text.startsWith("[") && text.endsWith("]")) {
      text = text.substring(1, text.length() - 1).strip();
    }
    if (text.isEmpty()) {
      throw new CorruptFileException(file, "token list: expected at least one id, found none");
    }
    List<Integer> tokens = new ArrayList<>();
    for (String word : text.split("\\s*,\\s*|\\s+", -1)) {
      if (!word.matches("[0-9]{1,9}")) {
        throw new CorruptFileException(
            file, "token " + tokens.size() + ": expected a token id, found `" + word + "`");
      }
      tokens.add(Integer.valueOf(word));
    }
    return tokens.stream().mapToInt(Integer::intValue).toArray();
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
