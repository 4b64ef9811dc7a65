package bora.converter;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.pack.PackReader;
import bora.runtime.text.Completion;
import bora.runtime.text.Tokenizer;
import bora.runtime.text.Utf8Reader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Texts that a pack is to continue, and whether it can. */
public final class Prompts {
  /** Stands for standard input where a file is expected. */
  public static final Path STANDARD_INPUT = Path.of("-");

  private static final int MAX_CHARS = 1 << 24;

  private Prompts() {}

  /**
   * Reads a text that must have some content.
   *
   * @param file {@link #STANDARD_INPUT} for that
   * @throws CorruptFileException when it is no UTF-8, empty, or too long for any model
   */
  public static String read(Path file) throws IOException {
    boolean standardInput = file.equals(STANDARD_INPUT);
    Path name = standardInput ? Path.of("standard input") : file;
    StringBuilder text = new StringBuilder();
    try (InputStream in = standardInput ? System.in : Files.newInputStream(file)) {
      if (new Utf8Reader(name, in).append(text, MAX_CHARS)) {
        throw new CorruptFileException(
            name, "text: expected at most " + MAX_CHARS + " characters, found more");
      }
    }
    if (text.isEmpty()) {
      throw new CorruptFileException(name, "text: expected some, found none");
    }
    return text.toString();
  }

  /**
   * @throws MismatchedArtifactException when the prompt leaves no room for a token
   */
  public static void requireContext(long tokens, PackReader pack)
      throws MismatchedArtifactException {
    int context = pack.config().maxPositionEmbeddings();
    if (tokens >= context) {
      throw new MismatchedArtifactException(
          pack.path(),
          "prompt: expected fewer tokens than the model's context of "
              + context
              + ", found "
              + tokens
              + "; shorten the prompt");
    }
  }

  /**
   * @throws MismatchedArtifactException when the tokenizer gives ids that the model does not have
   */
  public static void requireVocabulary(int[] tokens, Tokenizer tokenizer, PackReader pack)
      throws MismatchedArtifactException {
    for (int token : tokens) {
      if (token >= pack.config().vocabSize()) {
        throw new MismatchedArtifactException(
            tokenizer.file(),
            "tokenizer of another model: expected ids below the vocabulary of "
                + pack.config().vocabSize()
                + ", found "
                + token);
      }
    }
  }

  /** How JSON documents call an ending. */
  public static String nameOf(Completion.Ending ending) {
    return switch (ending) {
      case END_OF_SEQUENCE -> "endOfSequence";
      case STOP_STRING -> "stopString";
      case TOKEN_LIMIT -> "tokenLimit";
      case CANCELLED -> "cancelled";
    };
  }
}
