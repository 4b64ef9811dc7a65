package bora.quantizer.calibration;

import bora.formats.CorruptFileException;
import bora.formats.encoding.Encoding;
import bora.formats.json.JsonFields;
import bora.formats.json.ModelConfigJson;
import bora.formats.json.StrictJson;
import bora.formats.model.TensorKey;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/** The manifest of a calibration file. */
final class CalibrationJson {
  static final int VERSION = 2;

  private CalibrationJson() {}

  static byte[] write(
      CalibrationSource source,
      List<int[]> windows,
      List<MomentsEntry> moments,
      List<ExpertCoverage> coverage,
      List<GroupSensitivity> sensitivities,
      Map<TensorKey, Map<Encoding, Double>> encodingLosses) {
    ObjectNode root = StrictJson.newObject();
    root.put("version", VERSION);
    root.put("checkpoint", source.checkpoint());
    root.put("text", source.textSha256());
    root.put("windows", source.windows());
    root.put("windowTokens", source.windowTokens());
    root.put("sensitivityWindows", source.sensitivityWindows());
    root.put("kernels", source.kernels());
    if (!windows.isEmpty()) {
      var tokens = root.putArray("tokens");
      windows.forEach(window -> IntStream.of(window).forEach(tokens::add));
    }
    putCoverage(root, coverage);
    putSensitivities(root, sensitivities);
    putEncodingLosses(root, encodingLosses);
    putMoments(root, moments);
    return StrictJson.toBytes(root);
  }

  private static void putCoverage(ObjectNode root, List<ExpertCoverage> coverage) {
    var experts = root.putArray("experts");
    for (ExpertCoverage expert : coverage) {
      experts
          .addObject()
          .put("layer", expert.layer())
          .put("expert", expert.expert())
          .put("tokens", expert.tokens())
          .put("mass", expert.mass());
    }
  }

  private static void putSensitivities(ObjectNode root, List<GroupSensitivity> sensitivities) {
    var groups = root.putArray("sensitivities");
    for (GroupSensitivity group : sensitivities) {
      ObjectNode node = groups.addObject();
      node.put("name", group.name()).put("divergence", group.divergence());
      var losses = node.putArray("losses");
      group
          .losses()
          .forEach(
              (key, loss) -> {
                ObjectNode tensor = losses.addObject();
                ModelConfigJson.putKey(tensor, key);
                tensor.put("loss", loss);
              });
    }
  }

  private static void putEncodingLosses(
      ObjectNode root, Map<TensorKey, Map<Encoding, Double>> encodingLosses) {
    if (!encodingLosses.isEmpty()) {
      var tensors = root.putArray("encodingLosses");
      encodingLosses.forEach(
          (key, ofEncoding) -> {
            ObjectNode tensor = tensors.addObject();
            ModelConfigJson.putKey(tensor, key);
            ofEncoding.forEach((encoding, loss) -> tensor.put(encoding.jsonName(), loss));
          });
    }
  }

  private static void putMoments(ObjectNode root, List<MomentsEntry> moments) {
    var entries = root.putArray("moments");
    for (MomentsEntry entry : moments) {
      ObjectNode node = entries.addObject();
      ModelConfigJson.putKey(node, entry.reader());
      node.put("columns", entry.columns())
          .put("rows", entry.rows())
          .put("offset", entry.offsetBytes())
          .put("bytes", entry.lengthBytes())
          .put("crc32c", entry.crc32c());
    }
  }

  static CalibrationSource source(JsonFields root) throws CorruptFileException {
    return new CalibrationSource(
        root.text("checkpoint"),
        root.text("text"),
        root.smallInteger("windows"),
        root.smallInteger("windowTokens"),
        root.smallInteger("sensitivityWindows"),
        root.text("kernels"));
  }

  /** Version 1 had no tokens; later ones may leave them out. */
  static List<int[]> windows(JsonFields root, CalibrationSource source)
      throws CorruptFileException {
    List<Integer> tokens = root.has("tokens") ? root.smallIntegers("tokens") : List.of();
    long expected = (long) source.windows() * source.windowTokens();
    if (source.windowTokens() < 1 || (!tokens.isEmpty() && tokens.size() != expected)) {
      throw root.wrong("tokens", "those of all windows, " + expected, tokens.size());
    }
    List<int[]> windows = new ArrayList<>();
    for (int first = 0; first < tokens.size(); first += source.windowTokens()) {
      windows.add(
          tokens.subList(first, first + source.windowTokens()).stream()
              .mapToInt(Integer::intValue)
              .toArray());
    }
    return windows;
  }

  static List<ExpertCoverage> coverage(JsonFields root) throws CorruptFileException {
    List<ExpertCoverage> coverage = new ArrayList<>();
    for (JsonFields node : root.objects("experts")) {
      coverage.add(
          new ExpertCoverage(
              node.smallInteger("layer"),
              node.smallInteger("expert"),
              node.integer("tokens"),
              finite(node, "mass")));
      node.refuseOthers();
    }
    return coverage;
  }

  static List<GroupSensitivity> sensitivities(JsonFields root) throws CorruptFileException {
    List<GroupSensitivity> groups = new ArrayList<>();
    for (JsonFields node : root.objects("sensitivities")) {
      SequencedMap<TensorKey, Double> losses = new LinkedHashMap<>();
      for (JsonFields tensor : node.objects("losses")) {
        TensorKey key = ModelConfigJson.readKey(tensor);
        requireNew(tensor, key, losses.put(key, finite(tensor, "loss")));
        tensor.refuseOthers();
      }
      groups.add(new GroupSensitivity(node.text("name"), finite(node, "divergence"), losses));
      node.refuseOthers();
    }
    return groups;
  }

  static SequencedMap<TensorKey, Map<Encoding, Double>> losses(JsonFields root)
      throws CorruptFileException {
    SequencedMap<TensorKey, Map<Encoding, Double>> losses = new LinkedHashMap<>();
    if (root.has("encodingLosses")) {
      for (JsonFields tensor : root.objects("encodingLosses")) {
        Map<Encoding, Double> ofEncoding = new EnumMap<>(Encoding.class);
        TensorKey key = ModelConfigJson.readKey(tensor);
        for (Encoding encoding : Encoding.values()) {
          if (tensor.has(encoding.jsonName())) {
            ofEncoding.put(encoding, finite(tensor, encoding.jsonName()));
          }
        }
        tensor.refuseOthers();
        requireNew(tensor, key, losses.put(key, ofEncoding));
      }
    }
    return losses;
  }

  private static void requireNew(JsonFields node, TensorKey key, Object earlier)
      throws CorruptFileException {
    if (earlier != null) {
      throw node.wrong("role", "each tensor once", key + " again");
    }
  }

  private static double finite(JsonFields node, String key) throws CorruptFileException {
    double value = node.number(key);
    if (!Double.isFinite(value) || value < 0) {
      throw node.wrong(key, "a finite number that is not negative", value);
    }
    return value;
  }

  static SequencedMap<TensorKey, MomentsEntry> moments(JsonFields root, long endBytes)
      throws CorruptFileException {
    SequencedMap<TensorKey, MomentsEntry> entries = new LinkedHashMap<>();
    long expectedOffset = CalibrationFormat.MAGIC.length;
    for (JsonFields node : root.objects("moments")) {
      TensorKey reader = ModelConfigJson.readKey(node);
      int columns = node.smallInteger("columns");
      MomentsEntry entry =
          new MomentsEntry(
              reader,
              columns,
              node.integer("rows"),
              node.integer("offset"),
              node.integer("bytes"),
              node.smallInteger("crc32c"));
      node.refuseOthers();
      if (entry.rows() < 0) {
        throw node.wrong("rows", "a number that is not negative", entry.rows());
      }
      if (columns < 1 || entry.lengthBytes() != MomentsEntry.bytesOf(columns)) {
        throw node.wrong("bytes", "those of " + columns + " columns", entry.lengthBytes());
      }
      if (entry.offsetBytes() != expectedOffset) {
        throw node.wrong("offset", Long.toString(expectedOffset), entry.offsetBytes());
      }
      expectedOffset = Math.addExact(expectedOffset, entry.lengthBytes());
      requireNew(node, reader, entries.put(reader, entry));
    }
    if (expectedOffset != endBytes) {
      throw root.wrong("moments", "to end at " + endBytes, expectedOffset);
    }
    return entries;
  }
}
