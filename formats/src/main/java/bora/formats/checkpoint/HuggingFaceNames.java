package bora.formats.checkpoint;

import bora.formats.model.Architecture;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;

/**
 * The tensor names of transformers' Mistral and Mixtral checkpoints: the only place that spells
 * them. In Mixtral w1 is the gate, w3 the up and w2 the down projection.
 */
final class HuggingFaceNames {
  private HuggingFaceNames() {}

  static String nameOf(TensorKey key, Architecture architecture) {
    String layer = "model.layers." + key.layer() + ".";
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

  private static String denseProjection(TensorRole role) {
    return switch (role) {
      case EXPERT_GATE -> "gate";
      case EXPERT_UP -> "up";
      case EXPERT_DOWN -> "down";
      default -> throw new IllegalArgumentException(role + " belongs to no expert");
    };
  }

  /** Buffers that old checkpoints carry and that follow from the config. */
  static boolean isDerivedBuffer(String name) {
    return name.endsWith(".rotary_emb.inv_freq");
  }

  /** Names that only quantized checkpoints have. */
  static boolean isQuantized(String name) {
    return name.endsWith(".qweight")
        || name.endsWith(".qzeros")
        || name.endsWith(".scales")
        || name.endsWith(".g_idx")
        || name.endsWith(".weight_scale")
        || name.endsWith(".weight_scale_inv")
        || name.endsWith(".weight_packed")
        || name.endsWith(".input_scale");
  }
}
