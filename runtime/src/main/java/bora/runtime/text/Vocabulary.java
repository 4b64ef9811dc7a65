package bora.runtime.text;

import bora.formats.CorruptFileException;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** Which token has which id, in the writing of a {@code tokenizer.json}. */
final class Vocabulary {
  private final Map<String, Integer> ids = new HashMap<>();
  private final Map<Integer, String> pieces = new HashMap<>();

  private Vocabulary() {}

  /**
   * @param json a {@code tokenizer.json}
   */
  static Vocabulary of(Path file, JsonNode json) throws CorruptFileException {
    Vocabulary vocabulary = new Vocabulary();
    for (Map.Entry<String, JsonNode> entry : json.path("model").path("vocab").properties()) {
      vocabulary.put(file, entry.getKey(), entry.getValue());
    }
    for (JsonNode added : json.path("added_tokens")) {
      vocabulary.put(file, added.path("content").asText(), added.path("id"));
    }
    return vocabulary;
  }

  private void put(Path file, String piece, JsonNode id) throws CorruptFileException {
    if (!id.canConvertToInt() || id.intValue() < 0) {
      throw new CorruptFileException(
          file, "token `" + piece + "`: expected an id of at least 0, found " + id);
    }
    ids.put(piece, id.intValue());
    pieces.put(id.intValue(), piece);
  }

  Optional<String> piece(int id) {
    return Optional.ofNullable(pieces.get(id));
  }

  OptionalInt id(String piece) {
    Integer id = ids.get(piece);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  Set<String> pieces() {
    return ids.keySet();
  }

  int size() {
    return pieces.size();
  }
}
