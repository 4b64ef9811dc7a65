package bora.runtime.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashSet;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Where a text may end early without a change to the tokens before: between two characters that
 * stand side by side in no token, since no merge can then reach over. That argument holds for byte
 * pair encoding that falls back to bytes over text that is otherwise left as it is, which Mistral's
 * is; of other tokenizers no boundary is known.
 */
final class TokenBoundaries {
  private final boolean known;
  private final Set<Long> joined;

  private TokenBoundaries(boolean known, Set<Long> joined) {
    this.known = known;
    this.joined = joined;
  }

  /**
   * @param json the {@code tokenizer.json} of that vocabulary
   */
  static TokenBoundaries of(JsonNode json, Vocabulary vocabulary) {
    JsonNode model = json.path("model");
    boolean known =
        model.path("type").asText().equals("BPE")
            && model.path("byte_fallback").asBoolean()
            && isEmpty(model.path("dropout"))
            && isEmpty(model.path("continuing_subword_prefix"))
            && isEmpty(model.path("end_of_word_suffix"))
            && keepsCharacters(json.path("normalizer"))
            && (isEmpty(json.path("pre_tokenizer"))
                || json.path("pre_tokenizer").path("type").asText().equals("Metaspace"))
            && !anyStrips(json.path("added_tokens"));
    Set<Long> joined = new HashSet<>();
    if (known) {
      for (String piece : vocabulary.pieces()) {
        addPairs(piece, joined);
      }
    }
    return new TokenBoundaries(known, joined);
  }

  private static boolean isEmpty(JsonNode node) {
    return node.isMissingNode() || node.isNull() || (node.isTextual() && node.asText().isEmpty());
  }

  private static boolean keepsCharacters(JsonNode normalizer) {
    return switch (normalizer.path("type").asText()) {
      case "" -> isEmpty(normalizer);
      case "Prepend" -> true;
      case "Replace" ->
          normalizer.path("pattern").path("String").asText().equals(" ")
              && normalizer.path("content").asText().equals(SentencePieceConversion.SPACE);
      case "Sequence" -> {
        boolean all = true;
        for (JsonNode step : normalizer.path("normalizers")) {
          all &= keepsCharacters(step);
        }
        yield all;
      }
      default -> false;
    };
  }

  private static boolean anyStrips(JsonNode addedTokens) {
    for (JsonNode added : addedTokens) {
      if (added.path("lstrip").asBoolean() || added.path("rstrip").asBoolean()) {
        return true;
      }
    }
    return false;
  }

  private static void addPairs(String piece, Set<Long> joined) {
    int[] characters = piece.codePoints().map(TokenBoundaries::normalized).toArray();
    for (int i = 1; i < characters.length; i++) {
      joined.add(pair(characters[i - 1], characters[i]));
    }
  }

  private static int normalized(int character) {
    return character == ' ' ? SentencePieceConversion.SPACE.charAt(0) : character;
  }

  private static long pair(int left, int right) {
    return (long) left << Integer.SIZE | right;
  }

  /**
   * The last boundary of a text.
   *
   * @return how many chars, more than none and not all, may be tokenized without the others; empty
   *     when there is no such boundary, or none is known
   */
  OptionalInt last(CharSequence text) {
    if (!known) {
      return OptionalInt.empty();
    }
    for (int at = text.length() - 1; at > 0; at--) {
      int left = Character.codePointBefore(text, at);
      int right = Character.codePointAt(text, at);
      boolean whole = !Character.isLowSurrogate(text.charAt(at));
      if (whole && !joined.contains(pair(normalized(left), normalized(right)))) {
        return OptionalInt.of(at);
      }
    }
    return OptionalInt.empty();
  }
}
