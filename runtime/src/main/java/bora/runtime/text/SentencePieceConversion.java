package bora.runtime.text;

import bora.formats.CorruptFileException;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes a SentencePiece BPE model as the {@code tokenizer.json} that the native library reads, the
 * way transformers 4.36, which wrote Mistral's, does it ({@code convert_slow_tokenizer.py}: {@code
 * SentencePieceExtractor} and {@code LlamaConverter}): the merges, which SentencePiece does not
 * store, are all splits of a piece into two pieces, by falling score.
 */
final class SentencePieceConversion {
  /** What SentencePiece writes for a space. */
  static final String SPACE = "\u2581";

  private SentencePieceConversion() {}

  /**
   * @throws CorruptFileException when a piece stands in the model twice
   */
  static String tokenizerJson(Path file, SentencePieceModel model) throws CorruptFileException {
    Map<String, Integer> ids = new LinkedHashMap<>();
    for (SentencePieceModel.Piece piece : model.pieces()) {
      if (ids.put(piece.text(), ids.size()) != null) {
        throw new CorruptFileException(
            file, "SentencePiece model: piece `" + piece.text() + "` stands in it twice");
      }
    }
    ObjectNode root = StrictJson.newObject();
    root.put("version", "1.0");
    root.putNull("truncation").putNull("padding");
    putAddedTokens(root.putArray("added_tokens"), model);
    ArrayNode normalizers =
        root.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
    if (model.addDummyPrefix()) {
      normalizers.addObject().put("type", "Prepend").put("prepend", SPACE);
    }
    putReplace(normalizers.addObject(), " ", SPACE);
    root.putNull("pre_tokenizer");
    putTemplate(root, model);
    putDecoder(root, model.addDummyPrefix());
    putModel(root.putObject("model"), model, ids);
    return new String(StrictJson.toBytes(root), StandardCharsets.UTF_8);
  }

  private static void putAddedTokens(ArrayNode added, SentencePieceModel model) {
    for (int id = 0; id < model.pieces().size(); id++) {
      SentencePieceModel.Piece piece = model.pieces().get(id);
      switch (piece.type()) {
        case UNKNOWN, CONTROL, USER_DEFINED ->
            added
                .addObject()
                .put("id", id)
                .put("content", piece.text())
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", false)
                .put("special", piece.type() != SentencePieceModel.Type.USER_DEFINED);
        case NORMAL, UNUSED, BYTE -> {}
      }
    }
  }

  private static void putReplace(ObjectNode step, String pattern, String content) {
    step.put("type", "Replace").putObject("pattern").put("String", pattern);
    step.put("content", content);
  }

  /** A prompt begins with BOS; no other token is put around a text. */
  private static void putTemplate(ObjectNode root, SentencePieceModel model) {
    if (model.bos().isEmpty()) {
      root.putNull("post_processor");
      return;
    }
    int id = model.bos().getAsInt();
    String bos = model.pieces().get(id).text();
    ObjectNode template = root.putObject("post_processor").put("type", "TemplateProcessing");
    ArrayNode single = template.putArray("single");
    single.addObject().putObject("SpecialToken").put("id", bos).put("type_id", 0);
    single.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
    ArrayNode pair = template.putArray("pair");
    pair.addAll(single.deepCopy());
    pair.addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
    ObjectNode special = template.putObject("special_tokens").putObject(bos).put("id", bos);
    special.putArray("ids").add(id);
    special.putArray("tokens").add(bos);
  }

  private static void putDecoder(ObjectNode root, boolean stripPrefix) {
    ArrayNode decoders = root.putObject("decoder").put("type", "Sequence").putArray("decoders");
    putReplace(decoders.addObject(), SPACE, " ");
    decoders.addObject().put("type", "ByteFallback");
    decoders.addObject().put("type", "Fuse");
    if (stripPrefix) {
      decoders.addObject().put("type", "Strip").put("content", " ").put("start", 1).put("stop", 0);
    }
  }

  private static void putModel(
      ObjectNode json, SentencePieceModel model, Map<String, Integer> ids) {
    json.put("type", "BPE");
    model.pieces().stream()
        .filter(piece -> piece.type() == SentencePieceModel.Type.UNKNOWN)
        .findFirst()
        .ifPresent(unknown -> json.put("unk_token", unknown.text()));
    json.put("fuse_unk", true).put("byte_fallback", true);
    ObjectNode vocabulary = json.putObject("vocab");
    ids.forEach(vocabulary::put);
    ArrayNode merges = json.putArray("merges");
    for (Merge merge : merges(model, ids)) {
      merges.addArray().add(merge.left()).add(merge.right());
    }
  }

  private record Merge(String left, String right, float score) {}

  /** By falling score; equals by the ids of the whole, of the left and of the right part. */
  private static List<Merge> merges(SentencePieceModel model, Map<String, Integer> ids) {
    List<Merge> merges = new ArrayList<>();
    for (SentencePieceModel.Piece piece : model.pieces()) {
      List<Merge> splits = new ArrayList<>();
      String text = piece.text();
      for (int at = text.offsetByCodePoints(0, 1);
          at < text.length();
          at = text.offsetByCodePoints(at, 1)) {
        Merge split = new Merge(text.substring(0, at), text.substring(at), piece.score());
        if (ids.containsKey(split.left()) && ids.containsKey(split.right())) {
          splits.add(split);
        }
      }
      splits.sort(
          Comparator.comparing((Merge split) -> ids.get(split.left()))
              .thenComparing(split -> ids.get(split.right())));
      merges.addAll(splits);
    }
    merges.sort(Comparator.comparing(Merge::score).reversed());
    return merges;
  }
}
