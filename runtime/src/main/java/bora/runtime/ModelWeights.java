package bora.runtime;

import bora.formats.encoding.EncodedTensor;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import bora.runtime.kernel.FloatArray;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * All weights of a model, where they lie; only the norms are decoded.
 *
 * @param outputNorm decoded, [hidden]
 * @param lmHead the embedding itself where the two are tied
 */
record ModelWeights(
    EncodedTensor embedding,
    List<LayerWeights> layers,
    FloatArray outputNorm,
    EncodedTensor lmHead) {

  /**
   * Collects the tensors that a configuration asks for.
   *
   * @throws IllegalArgumentException naming the first tensor that has another shape
   */
  static ModelWeights of(ModelConfig config, Function<TensorKey, EncodedTensor> tensors) {
    return new Collector(config, config.tensors(), tensors).collect();
  }

  /**
   * Collects the tensors of one layer.
   *
   * @throws IllegalArgumentException naming the first tensor that has another shape
   */
  static LayerWeights layer(
      ModelConfig config, int layer, Function<TensorKey, EncodedTensor> tensors) {
    return new Collector(config, config.tensors(), tensors).layer(layer);
  }

  private record Collector(
      ModelConfig config,
      SequencedMap<TensorKey, TensorShape> shapes,
      Function<TensorKey, EncodedTensor> tensors) {

    ModelWeights collect() {
      EncodedTensor embedding = tensor(TensorKey.ofModel(TensorRole.EMBEDDING));
      return new ModelWeights(
          embedding,
          IntStream.range(0, config.layerCount()).mapToObj(this::layer).toList(),
          norm(TensorKey.ofModel(TensorRole.OUTPUT_NORM)),
          config.tiedEmbeddings() ? embedding : tensor(TensorKey.ofModel(TensorRole.LM_HEAD)));
    }

    private LayerWeights layer(int layer) {
      return new LayerWeights(
          norm(TensorKey.ofLayer(layer, TensorRole.ATTENTION_NORM)),
          tensor(TensorKey.ofLayer(layer, TensorRole.QUERY)),
          tensor(TensorKey.ofLayer(layer, TensorRole.KEY)),
          tensor(TensorKey.ofLayer(layer, TensorRole.VALUE)),
          tensor(TensorKey.ofLayer(layer, TensorRole.ATTENTION_OUTPUT)),
          norm(TensorKey.ofLayer(layer, TensorRole.FEED_FORWARD_NORM)),
          config.hasRouter()
              ? Optional.of(tensor(TensorKey.ofLayer(layer, TensorRole.ROUTER)))
              : Optional.empty(),
          IntStream.range(0, config.expertCount()).mapToObj(e -> expert(layer, e)).toList());
    }

    private ExpertWeights expert(int layer, int expert) {
      return new ExpertWeights(
          tensor(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE)),
          tensor(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP)),
          tensor(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN)));
    }

    private EncodedTensor tensor(TensorKey key) {
      EncodedTensor tensor = tensors.apply(key);
      if (!tensor.shape().equals(shapes.get(key))) {
        throw new IllegalArgumentException(
            key + ": expected shape " + shapes.get(key) + ", found " + tensor.shape());
      }
      return tensor;
    }

    private FloatArray norm(TensorKey key) {
      EncodedTensor tensor = tensor(key);
      FloatArray weight = FloatArray.ofLength(tensor.shape().columns());
      tensor.decodeRow(0, weight.values(), 0);
      return weight;
    }
  }
}
