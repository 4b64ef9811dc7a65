package bora.runtime.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.formats.CorruptFileException;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Text to tokens and back, as HuggingFace's tokenizers do it. Threads may share a tokenizer; its
 * calls take turns. Close it: it holds native memory.
 */
public final class Tokenizer implements AutoCloseable {
  /** The whole tokenizer; what is read where a model has it. */
  public static final String JSON_FILE = "tokenizer.json";

  /** A SentencePiece model, read where there is no {@link #JSON_FILE}. */
  public static final String SENTENCE_PIECE_FILE = "tokenizer.model";

  private final NativeTokenizer tokenizer;
  private final String json;
  private final Path file;
  private Vocabulary vocabulary;

  private Tokenizer(NativeTokenizer tokenizer, String json, Path file) {
    this.tokenizer = tokenizer;
    this.json = json;
    this.file = file;
  }

  /**
   * Opens a model's tokenizer.
   *
   * @throws NoSuchFileException when the model has no tokenizer
   * @throws CorruptFileException when its file is none
   */
  public static Tokenizer open(TokenizerFiles files) throws IOException {
    Optional<byte[]> whole = files.read(JSON_FILE);
    if (whole.isPresent()) {
      Path file = files.pathOf(JSON_FILE);
      return open(new String(whole.get(), UTF_8), file);
    }
    Optional<byte[]> sentencePiece = files.read(SENTENCE_PIECE_FILE);
    if (sentencePiece.isPresent()) {
      Path file = files.pathOf(SENTENCE_PIECE_FILE);
      SentencePieceModel model = SentencePieceModel.parse(file, sentencePiece.get());
      return open(SentencePieceConversion.tokenizerJson(file, model), file);
    }
    throw new NoSuchFileException(
        files.origin().toString(),
        null,
        "no tokenizer: expected "
            + JSON_FILE
            + " or "
            + SENTENCE_PIECE_FILE
            + ", found neither; give token ids, or convert again with these files beside the"
            + " weights");
  }

  private static Tokenizer open(String json, Path file) throws IOException {
    return new Tokenizer(NativeTokenizer.open(json, file), json, file);
  }

  /**
   * The tokens of a text; none is added at its ends, in particular no BOS. What reads like a
   * special token, {@code </s>} say, becomes that token.
   */
  public int[] encode(String text) {
    return tokenizer.encode(text, false);
  }

  /**
   * The tokens of a text that a model is to continue: those of {@link #encode} with what the
   * tokenizer itself puts in front, for Mistral's BOS.
   */
  public int[] encodePrompt(String text) {
    return tokenizer.encode(text, true);
  }

  /**
   * The text of tokens. Special tokens, and ids that no token has, give no text; bytes that are no
   * UTF-8 give U+FFFD.
   */
  public String decode(int[] tokens) {
    return tokenizer.decode(tokens);
  }

  /** A token as the vocabulary writes it, {@code ▁the} say; empty for an id that no token has. */
  public Optional<String> piece(int token) throws IOException {
    return vocabulary().piece(token);
  }

  /** The id of a token, written as the vocabulary writes it. */
  public OptionalInt id(String piece) throws IOException {
    return vocabulary().id(piece);
  }

  /** Number of tokens, those added to the vocabulary included. */
  public int size() throws IOException {
    return vocabulary().size();
  }

  /** The file that it was read from. */
  public Path file() {
    return file;
  }

  /** Where a text may be cut so that the tokens of its parts are those of the whole. */
  TokenBoundaries boundaries() throws IOException {
    return TokenBoundaries.of(parsed(), vocabulary());
  }

  /** Read when first asked for: a text can be tokenized without. */
  private synchronized Vocabulary vocabulary() throws IOException {
    if (vocabulary == null) {
      vocabulary = Vocabulary.of(file, parsed());
    }
    return vocabulary;
  }

  private JsonNode parsed() throws IOException {
    return StrictJson.parseObject(file, json.getBytes(UTF_8));
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
