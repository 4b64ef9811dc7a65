package bora.converter.cli;

import bora.runtime.text.TextTokens;
import bora.runtime.text.Tokenizer;
import bora.runtime.text.TokenizerFiles;
import bora.verifier.TokenIds;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/**
 * What a command runs a model on: a text, or token ids. An argument group of which one is given.
 */
final class TextOrTokens {
  @Option(
      names = "--text",
      paramLabel = "FILE",
      required = true,
      description = "a text in UTF-8, of any length; tokenized by the model's own tokenizer")
  private Path text;

  @Option(
      names = "--tokens",
      paramLabel = "FILE",
      required = true,
      description = "token ids, as a JSON list or separated by white space, BOS in front")
  private Path tokens;

  /** The file that was given. */
  Path file() {
    return text != null ? text : tokens;
  }

  /**
   * Reads the tokens.
   *
   * @param model a pack or a checkpoint's directory, which has the tokenizer
   * @param maxTokens of a text no more is read than this many need
   */
  int[] read(Path model, int maxTokens) throws IOException {
    if (tokens != null) {
      return TokenIds.read(tokens);
    }
    try (Tokenizer tokenizer = Tokenizer.open(TokenizerFiles.open(model))) {
      return TextTokens.read(text, tokenizer, maxTokens);
    }
  }
}
