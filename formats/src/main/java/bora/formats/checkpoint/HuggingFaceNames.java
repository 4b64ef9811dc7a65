package bora.formats.checkpoint;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The names of transformers' Mistral and Mixtral. In Mixtral w1 is the gate, w3 the up and w2 the
 * down projection. Version 5 renames the router and fuses the experts of a layer: {@code
 * gate_up_proj} is [experts, 2 intermediate, hidden] with an expert's gate before its up
 * projection, {@code down_proj} [experts, hidden, intermediate] ({@code conversion_mapping.py},
 * "mixtral").
 */
record HuggingFaceNames() implements TensorNaming {
  @Override
  public List<StoredPlace> placesOf(TensorKey key, TensorShape shape, ModelConfig config) {
    List<StoredPlace> places = new ArrayList<>();
    places.add(StoredPlace.whole(nameOf(key, config.architecture()), shape));
    if (config.architecture() == Architecture.MIXTRAL) {
      String layer = layer(key) + "mlp.";
      switch (key.role()) {
        case ROUTER -> places.add(StoredPlace.whole(layer + "gate.weight", shape));
        case EXPERT_GATE, EXPERT_UP -> places.add(inGateUp(layer, key, config));
        case EXPERT_DOWN -> places.add(inDown(layer, key, config));
        default -> {}
      }
    }
    return places;
  }

  private static StoredPlace inGateUp(String layer, TensorKey key, ModelConfig config) {
    long rows = config.intermediateSize();
    long firstRow = 2 * rows * key.expert() + (key.role() == TensorRole.EXPERT_UP ? rows : 0);
    return new StoredPlace(
        layer + "experts.gate_up_proj",
        List.of((long) config.expertCount(), 2 * rows, (long) config.hiddenSize()),
        new RowPlacement.Consecutive(firstRow));
  }

  private static StoredPlace inDown(String layer, TensorKey key, ModelConfig config) {
    long rows = config.hiddenSize();
    return new StoredPlace(
        layer + "experts.down_proj",
        List.of((long) config.expertCount(), rows, (long) config.intermediateSize()),
        new RowPlacement.Consecutive(rows * key.expert()));
  }

  private static String nameOf(TensorKey key, Architecture architecture) {
    String layer = layer(key);
    return switch (key.role()) {
      case EMBEDDING -> "model.embed_tokens.weight";
      case OUTPUT_NORM -> "model.norm.weight";
      case LM_HEAD -> "lm_head.weight";
      case ATTENTION_NORM -> layer + "input_layernorm.weight";
      case QUERY -> layer + "self_attn.q_proj.weight";
      case KEY -> layer + "self_attn.k_proj.weight";
      case VALUE -> layer + "self_attn.v_proj.weight";
      case ATTENTION_OUTPUT -> layer + "self_attn.o_proj.weight";
      case FEED_FORWARD_NORM -> layer + "post_attention_layernorm.weight";
      case ROUTER -> layer + "block_sparse_moe.gate.weight";
      case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN ->
          architecture == Architecture.MIXTRAL
              ? layer
                  + "block_sparse_moe.experts."
                  + key.expert()
                  + "."
                  + key.role().id()
                  + ".weight"
              : layer + "mlp." + denseProjection(key.role()) + "_proj.weight";
    };
  }

  private static String layer(TensorKey key) {
    return "model.layers." + key.layer() + ".";
  }

  private static String denseProjection(TensorRole role) {
    return switch (role) {
      case EXPERT_GATE -> "gate";
      case EXPERT_UP -> "up";
      case EXPERT_DOWN -> "down";
      default -> throw new IllegalArgumentException(role + " belongs to no expert");
    };
  }

  @Override
  public boolean isDerivedBuffer(String name) {
    return name.endsWith(".rotary_emb.inv_freq");
  }

  @Override
  public Optional<String> quantizationOf(String name) {
    return switch (name.substring(name.lastIndexOf('.') + 1)) {
      case "qweight", "qzeros", "scales", "g_idx" -> Optional.of("GPTQ or AWQ");
      case "weight_packed", "weight_shape", "weight_zero_point", "weight_g_idx" ->
          Optional.of("compressed-tensors");
      case "weight_scale", "weight_scale_inv", "input_scale" ->
          Optional.of("FP8 or compressed-tensors");
      case "absmax", "quant_map", "nested_absmax", "SCB" -> Optional.of("bitsandbytes");
      default -> Optional.empty();
    };
  }
}
