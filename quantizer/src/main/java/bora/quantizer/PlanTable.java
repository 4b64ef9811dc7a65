package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/**
 * A plan for people: a line a layer with the encodings of its experts side by side, a map of their
 * bits, then the totals a role.
 */
public final class PlanTable {
  private static final List<TensorRole> ATTENTION =
      List.of(TensorRole.QUERY, TensorRole.KEY, TensorRole.VALUE, TensorRole.ATTENTION_OUTPUT);
  private static final List<TensorRole> EXPERT =
      List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN);

  /** Up to 2, 4, 6, 8 bits and more. */
  private static final String SHADES = "\u00b7\u2591\u2592\u2593\u2588";

  private final QuantizationPlan plan;
  private final SequencedMap<TensorKey, Encoding> encodings;

  private PlanTable(QuantizationPlan plan) {
    this.plan = plan;
    this.encodings = plan.encodings();
  }

  /**
   * Renders a plan; lines end in a line feed. An encoding in a column stands for all its tensors,
   * {@code a/b/c} for those of q, k, v, o or of w1, w3, w2 in this order.
   */
  public static String render(QuantizationPlan plan) {
    PlanTable table = new PlanTable(plan);
    StringBuilder text = new StringBuilder();
    table.appendLayers(text);
    text.append('\n');
    table.appendBits(text);
    text.append('\n');
    table.appendTotals(text);
    return text.toString();
  }

  private void appendLayers(StringBuilder text) {
    ModelConfig config = plan.config();
    List<List<String>> rows = new ArrayList<>();
    List<String> header = new ArrayList<>(List.of("layer", "attention"));
    for (int expert = 0; expert < config.expertCount(); expert++) {
      header.add(config.hasRouter() ? "expert " + expert : "feed-forward");
    }
    rows.add(header);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      rows.add(layerRow(layer));
    }
    appendColumns(text, rows);
  }

  private List<String> layerRow(int layer) {
    List<String> row = new ArrayList<>();
    row.add(Integer.toString(layer));
    row.add(joined(ATTENTION.stream().map(role -> TensorKey.ofLayer(layer, role)).toList()));
    for (int i = 0; i < plan.config().expertCount(); i++) {
      int expert = i;
      row.add(
          joined(EXPERT.stream().map(role -> TensorKey.ofExpert(layer, expert, role)).toList()));
    }
    return row;
  }

  /** Bits a weight by layer and expert, the more the darker. */
  private void appendBits(StringBuilder text) {
    ModelConfig config = plan.config();
    List<List<String>> rows = new ArrayList<>();
    List<String> header = new ArrayList<>(List.of("bits", "attention"));
    for (int expert = 0; expert < config.expertCount(); expert++) {
      header.add(config.hasRouter() ? Integer.toString(expert) : "feed-forward");
    }
    rows.add(header);
    for (int layer = 0; layer < config.layerCount(); layer++) {
      List<String> row = new ArrayList<>();
      row.add(Integer.toString(layer));
      row.add(shadedBits(layer, -1));
      for (int expert = 0; expert < config.expertCount(); expert++) {
        row.add(shadedBits(layer, expert));
      }
      rows.add(row);
    }
    appendColumns(text, rows);
  }

  /** The attention's for the expert -1. */
  private String shadedBits(int layer, int expert) {
    long weights = 0;
    long bytes = 0;
    for (PlannedTensor tensor : plan.tensors()) {
      TensorKey key = tensor.key();
      if (key.layer() == layer && key.expert() == expert && !key.role().isExact()) {
        weights += tensor.shape().elementCount();
        bytes += tensor.bytes();
      }
    }
    double bits = (double) Byte.SIZE * bytes / weights;
    char shade = SHADES.charAt((int) Math.clamp(bits / 2, 0, SHADES.length() - 1));
    return shade + String.format(Locale.ROOT, "%.1f", bits);
  }

  /** One name where all tensors have the same encoding, else all names. */
  private String joined(Collection<TensorKey> keys) {
    List<String> names = keys.stream().map(key -> encodings.get(key).jsonName()).toList();
    boolean equal = new LinkedHashSet<>(names).size() == 1;
    return equal ? names.getFirst() : String.join("/", names);
  }

  private void appendTotals(StringBuilder text) {
    Map<TensorRole, List<PlannedTensor>> tensorsOfRole = new EnumMap<>(TensorRole.class);
    for (PlannedTensor tensor : plan.tensors()) {
      tensorsOfRole.computeIfAbsent(tensor.key().role(), role -> new ArrayList<>()).add(tensor);
    }
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("role", "tensors", "weights", "bytes", "bits/weight", "encodings"));
    tensorsOfRole.forEach((role, tensors) -> rows.add(totalRow(role.id(), tensors)));
    rows.add(totalRow("all", plan.tensors()));
    appendColumns(text, rows);
  }

  private static List<String> totalRow(String name, List<PlannedTensor> tensors) {
    long weights = tensors.stream().mapToLong(tensor -> tensor.shape().elementCount()).sum();
    long bytes = tensors.stream().mapToLong(PlannedTensor::bytes).sum();
    Map<Encoding, Long> counts =
        tensors.stream()
            .collect(
                Collectors.groupingBy(
                    PlannedTensor::encoding,
                    () -> new EnumMap<>(Encoding.class),
                    Collectors.counting()));
    String encodings =
        counts.entrySet().stream()
            .map(count -> count.getValue() + " " + count.getKey().jsonName())
            .collect(Collectors.joining(", "));
    return List.of(
        name,
        Integer.toString(tensors.size()),
        Long.toString(weights),
        Long.toString(bytes),
        String.format(Locale.ROOT, "%.3f", (double) Byte.SIZE * bytes / weights),
        encodings);
  }

  private static void appendColumns(StringBuilder text, List<List<String>> rows) {
    int[] widths = new int[rows.getFirst().size()];
    for (List<String> row : rows) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], row.get(i).length());
      }
    }
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < widths.length; i++) {
        line.append(row.get(i)).repeat(' ', widths[i] - row.get(i).length() + 2);
      }
      text.append(line.toString().stripTrailing()).append('\n');
    }
  }
}
