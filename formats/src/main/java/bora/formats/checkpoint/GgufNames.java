package bora.formats.checkpoint;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * The names of llama.cpp's "llama" architecture. Queries and keys stand interleaved. All experts of
 * a projection are one tensor, [experts, rows, columns]; before April 2024 they were tensors of
 * their own.
 */
record GgufNames() implements TensorNaming {
  static final String EMBEDDING = "token_embd.weight";
  static final String LM_HEAD = "output.weight";

  @Override
  public List<StoredPlace> placesOf(TensorKey key, TensorShape shape, ModelConfig config) {
    String name = nameOf(key, config.architecture());
    return switch (key.role()) {
      case QUERY, KEY -> List.of(StoredPlace.interleaved(name, shape, config.headDim()));
      case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN ->
          config.architecture() == Architecture.MISTRAL
              ? List.of(StoredPlace.whole(name, shape))
              : List.of(
                  merged(name, key, shape, config), StoredPlace.whole(splitNameOf(key), shape));
      default -> List.of(StoredPlace.whole(name, shape));
    };
  }

  private static StoredPlace merged(
      String name, TensorKey key, TensorShape shape, ModelConfig config) {
    long rows = shape.rows();
    return new StoredPlace(
        name,
        List.of((long) config.expertCount(), rows, (long) shape.columns()),
        new RowPlacement.Consecutive(rows * key.expert()));
  }

  /** The name of the tensor that holds a key, of all experts where there are several. */
  static String nameOf(TensorKey key, Architecture architecture) {
    String block = "blk." + key.layer() + ".";
    String experts = architecture == Architecture.MIXTRAL ? "_exps.weight" : ".weight";
    return switch (key.role()) {
      case EMBEDDING -> EMBEDDING;
      case OUTPUT_NORM -> "output_norm.weight";
      case LM_HEAD -> LM_HEAD;
      case ATTENTION_NORM -> block + "attn_norm.weight";
      case QUERY -> block + "attn_q.weight";
      case KEY -> block + "attn_k.weight";
      case VALUE -> block + "attn_v.weight";
      case ATTENTION_OUTPUT -> block + "attn_output.weight";
      case FEED_FORWARD_NORM -> block + "ffn_norm.weight";
      case ROUTER -> block + "ffn_gate_inp.weight";
      case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN -> block + projection(key.role()) + experts;
    };
  }

  /** The tensors that a file has, in order, each with the keys whose rows it holds. */
  static SequencedMap<String, List<TensorKey>> tensors(ModelConfig config) {
    SequencedMap<String, List<TensorKey>> tensors = new LinkedHashMap<>();
    for (TensorKey key : config.tensors().keySet()) {
      tensors
          .computeIfAbsent(nameOf(key, config.architecture()), unused -> new ArrayList<>())
          .add(key);
    }
    return tensors;
  }

  /** Whether one tensor holds a key and the same projection of the other experts. */
  static boolean isMerged(TensorKey key, Architecture architecture) {
    return architecture == Architecture.MIXTRAL && key.role().scope() == TensorRole.Scope.EXPERT;
  }

  private static String splitNameOf(TensorKey key) {
    return "blk." + key.layer() + "." + projection(key.role()) + "." + key.expert() + ".weight";
  }

  private static String projection(TensorRole role) {
    return switch (role) {
      case EXPERT_GATE -> "ffn_gate";
      case EXPERT_UP -> "ffn_up";
      case EXPERT_DOWN -> "ffn_down";
      default -> throw new IllegalArgumentException(role + " belongs to no expert");
    };
  }

  @Override
  public boolean isDerivedBuffer(String name) {
    return name.endsWith(".attn_rot_embd.weight");
  }

  @Override
  public String weightTypes() {
    return "one of " + List.of(WeightType.values());
  }

  @Override
  public Optional<String> quantizationOf(String name) {
    return Optional.empty();
  }
}
