package bora.formats.checkpoint;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.util.List;
import java.util.Optional;

/**
 * The names of Mistral AI's own checkpoints ({@code consolidated.*}). Queries and keys stand
 * interleaved. Experts are tensors of their own, or, in the first release of Mixtral, stacked:
 * {@code block_sparse_moe.w1}, {@code w2}, {@code w3} are all [experts * intermediate, hidden], so
 * that w2 stands transposed (transformers' {@code convert_mixtral_weights_to_hf.py}).
 */
record MistralNames() implements TensorNaming {
  @Override
  public List<StoredPlace> placesOf(TensorKey key, TensorShape shape, ModelConfig config) {
    String layer = "layers." + key.layer() + ".";
    return switch (key.role()) {
      case EMBEDDING -> List.of(StoredPlace.whole("tok_embeddings.weight", shape));
      case OUTPUT_NORM -> List.of(StoredPlace.whole("norm.weight", shape));
      case LM_HEAD -> List.of(StoredPlace.whole("output.weight", shape));
      case ATTENTION_NORM -> List.of(StoredPlace.whole(layer + "attention_norm.weight", shape));
      case FEED_FORWARD_NORM -> List.of(StoredPlace.whole(layer + "ffn_norm.weight", shape));
      case QUERY ->
          List.of(StoredPlace.interleaved(layer + "attention.wq.weight", shape, config.headDim()));
      case KEY ->
          List.of(StoredPlace.interleaved(layer + "attention.wk.weight", shape, config.headDim()));
      case VALUE -> List.of(StoredPlace.whole(layer + "attention.wv.weight", shape));
      case ATTENTION_OUTPUT -> List.of(StoredPlace.whole(layer + "attention.wo.weight", shape));
      case ROUTER ->
          List.of(
              StoredPlace.whole(layer + "feed_forward.gate.weight", shape),
              StoredPlace.whole(layer + "block_sparse_moe.gate.weight", shape));
      case EXPERT_GATE, EXPERT_UP, EXPERT_DOWN -> feedForward(layer, key, shape, config);
    };
  }

  private static List<StoredPlace> feedForward(
      String layer, TensorKey key, TensorShape shape, ModelConfig config) {
    String projection = key.role().id();
    if (config.architecture() == Architecture.MISTRAL) {
      return List.of(StoredPlace.whole(layer + "feed_forward." + projection + ".weight", shape));
    }
    String expert = "experts." + key.expert() + "." + projection + ".weight";
    return List.of(
        StoredPlace.whole(layer + "feed_forward." + expert, shape),
        StoredPlace.whole(layer + "block_sparse_moe." + expert, shape),
        stacked(layer + "block_sparse_moe." + projection, key, config));
  }

  private static StoredPlace stacked(String name, TensorKey key, ModelConfig config) {
    long rows = config.intermediateSize();
    long firstRow = rows * key.expert();
    return new StoredPlace(
        name,
        List.of(Math.multiplyExact(rows, config.expertCount()), (long) config.hiddenSize()),
        key.role() == TensorRole.EXPERT_DOWN
            ? new RowPlacement.Columns(firstRow)
            : new RowPlacement.Consecutive(firstRow));
  }

  @Override
  public boolean isDerivedBuffer(String name) {
    return name.equals("rope.freqs");
  }

  @Override
  public Optional<String> quantizationOf(String name) {
    return name.endsWith(".qscale_weight") || name.endsWith(".qscale_act")
        ? Optional.of("FP8")
        : Optional.empty();
  }
}
