package bora.runtime.text;

import bora.formats.CorruptFileException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * What a SentencePiece {@code tokenizer.model} says, as far as a BPE tokenizer needs it. The fields
 * are those of {@code sentencepiece_model.proto}.
 *
 * @param pieces in the order of their ids
 * @param bos the id of the piece that begins a text, where there is one
 * @param addDummyPrefix whether a text gets a space in front
 */
record SentencePieceModel(List<Piece> pieces, OptionalInt bos, boolean addDummyPrefix) {
  private static final int BPE = 2;

  /** One entry of the vocabulary; merges of a higher score are done first. */
  record Piece(String text, float score, Type type) {}

  /** Kinds of pieces, in the order of their numbers in the file, which begin at 1. */
  enum Type {
    NORMAL,
    UNKNOWN,
    CONTROL,
    USER_DEFINED,
    UNUSED,
    BYTE
  }

  /**
   * @throws CorruptFileException when it is none, or no BPE model without text normalization, which
   *     is what Mistral's are
   */
  static SentencePieceModel parse(Path file, byte[] bytes) throws CorruptFileException {
    List<Piece> pieces = new ArrayList<>();
    Trainer trainer = new Trainer(1, false, 1);
    Normalizer normalizer = new Normalizer(false, true, true);
    ProtobufFields fields = new ProtobufFields(file, ByteBuffer.wrap(bytes));
    for (int field = fields.next(); field != 0; field = fields.next()) {
      switch (field) {
        case 1 -> pieces.add(piece(file, fields.message(), pieces.size()));
        case 2 -> trainer = trainer(fields.message());
        case 3 -> normalizer = normalizer(fields.message());
        default -> {}
      }
    }
    require(file, !pieces.isEmpty(), "pieces: expected a vocabulary, found none");
    require(
        file,
        trainer.modelType() == BPE,
        "model type: expected " + BPE + " (BPE), found " + trainer.modelType());
    require(file, trainer.byteFallback(), "byte_fallback: expected true, found false");
    require(
        file,
        !normalizer.changesCharacters() && !normalizer.removesExtraSpaces(),
        "normalization: expected `identity` with spaces kept, found another");
    long bosId = trainer.bosId();
    boolean hasBos =
        bosId >= 0 && bosId < pieces.size() && pieces.get((int) bosId).type() == Type.CONTROL;
    return new SentencePieceModel(
        List.copyOf(pieces),
        hasBos ? OptionalInt.of((int) bosId) : OptionalInt.empty(),
        normalizer.addDummyPrefix());
  }

  private record Trainer(long modelType, boolean byteFallback, long bosId) {}

  private record Normalizer(
      boolean changesCharacters, boolean addDummyPrefix, boolean removesExtraSpaces) {}

  private static Piece piece(Path file, ProtobufFields fields, int id) throws CorruptFileException {
    String text = "";
    float score = 0;
    long type = 1;
    for (int field = fields.next(); field != 0; field = fields.next()) {
      switch (field) {
        case 1 -> text = fields.text();
        case 2 -> score = fields.floating();
        case 3 -> type = fields.integer();
        default -> {}
      }
    }
    require(file, !text.isEmpty(), "piece " + id + ": expected a text, found none");
    require(
        file,
        type >= 1 && type <= Type.values().length,
        "piece " + id + ": type: expected 1 to " + Type.values().length + ", found " + type);
    require(file, Float.isFinite(score), "piece " + id + ": score: found " + score);
    return new Piece(text, score, Type.values()[(int) type - 1]);
  }

  private static Trainer trainer(ProtobufFields fields) throws CorruptFileException {
    long modelType = 1;
    boolean byteFallback = false;
    long bosId = 1;
    for (int field = fields.next(); field != 0; field = fields.next()) {
      switch (field) {
        case 3 -> modelType = fields.integer();
        case 35 -> byteFallback = fields.integer() != 0;
        case 41 -> bosId = fields.integer();
        default -> {}
      }
    }
    return new Trainer(modelType, byteFallback, bosId);
  }

  private static Normalizer normalizer(ProtobufFields fields) throws CorruptFileException {
    boolean changesCharacters = false;
    boolean addDummyPrefix = true;
    boolean removesExtraSpaces = true;
    for (int field = fields.next(); field != 0; field = fields.next()) {
      switch (field) {
        case 2 -> changesCharacters = fields.message().hasBytes();
        case 3 -> addDummyPrefix = fields.integer() != 0;
        case 4 -> removesExtraSpaces = fields.integer() != 0;
        default -> {}
      }
    }
    return new Normalizer(changesCharacters, addDummyPrefix, removesExtraSpaces);
  }

  private static void require(Path file, boolean holds, String complaint)
      throws CorruptFileException {
    if (!holds) {
      throw new CorruptFileException(file, "SentencePiece model: " + complaint);
    }
  }
}
