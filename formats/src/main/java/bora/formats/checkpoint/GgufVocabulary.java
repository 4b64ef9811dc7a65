package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The tokens of a GGUF file for llama.cpp's tokenizer "llama", which merges as sentencepiece does:
 * the pair with the best score first. The tokens of Mistral's tokenizers stand in the order of
 * their merges, so that the score of a token is minus its id.
 *
 * @param tokens by id
 */
public record GgufVocabulary(List<Token> tokens) {
  /** What llama.cpp does with a token; {@link #id()} is its number there. */
  public enum Kind {
    NORMAL(1),
    UNKNOWN(2),
    CONTROL(3),
    UNUSED(5),
    BYTE(6);

    private final int id;

    Kind(int id) {
      this.id = id;
    }

    /** The number in files. */
    public int id() {
      return id;
    }
  }

  /** One token. */
  public record Token(String text, Kind kind) {}

  public GgufVocabulary {
    tokens = List.copyOf(tokens);
  }

  /**
   * Reads the tokens of a {@code tokenizer.json}.
   *
   * @param file where it is from, for messages
   * @param vocabSize of the model; ids without a token become unused ones
   * @return empty when it is no tokenizer of sentencepiece's kind (BPE with byte fallback)
   * @throws CorruptFileException when a token's id is none of the model's
   */
  public static Optional<GgufVocabulary> ofTokenizerJson(Path file, byte[] json, int vocabSize)
      throws IOException {
    JsonNode root = StrictJson.parseObject(file, json);
    JsonNode model = root.path("model");
    if (!model.path("type").asText().equals("BPE") || !model.path("byte_fallback").asBoolean()) {
      return Optional.empty();
    }
    List<Token> tokens = new ArrayList<>(Collections.nCopies(vocabSize, null));
    String unknown = model.path("unk_token").asText("<unk>");
    for (Map.Entry<String, JsonNode> entry : model.path("vocab").properties()) {
      String text = entry.getKey();
      put(file, tokens, entry.getValue(), new Token(text, kind(text, unknown)));
    }
    for (JsonNode added : root.path("added_tokens")) {
      String text = added.path("content").asText();
      boolean control = added.path("special").asBoolean() && !text.equals(unknown);
      Kind kind = control ? Kind.CONTROL : kind(text, unknown);
      put(file, tokens, added.path("id"), new Token(text, kind));
    }
    for (int id = 0; id < vocabSize; id++) {
      if (tokens.get(id) == null) {
        tokens.set(id, new Token("[UNUSED_" + id + "]", Kind.UNUSED));
      }
    }
    return Optional.of(new GgufVocabulary(tokens));
  }

  private static Kind kind(String text, String unknown) {
    if (text.equals(unknown)) {
      return Kind.UNKNOWN;
    }
    return text.matches("<0x[0-9A-F]{2}>") ? Kind.BYTE : Kind.NORMAL;
  }

  private static void put(Path file, List<Token> tokens, JsonNode id, Token token)
      throws CorruptFileException {
    if (!id.isIntegralNumber()
        || !id.canConvertToInt()
        || id.intValue() < 0
        || id.intValue() >= tokens.size()) {
      throw new CorruptFileException(
          file,
          "token `"
              + token.text()
              + "`: expected an id below the model's "
              + tokens.size()
              + ", found "
              + id);
    }
    tokens.set(id.intValue(), token);
  }
}
