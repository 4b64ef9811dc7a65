package bora.formats.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SequencedMap;

/**
 * The hyper-parameters of a model, checked against each other. A dense feed-forward is one expert
 * of which one is used, so that one code path serves both architectures.
 *
 * @param intermediateSize width of one expert's feed-forward
 * @param expertCount 1 for Mistral
 * @param expertsPerToken how many experts the router takes for a token; 1 for Mistral
 * @param slidingWindow how many tokens, itself included, a token attends to; empty for all before
 *     it
 * @param tiedEmbeddings whether the lm_head is the embedding
 */
public record ModelConfig(
    Architecture architecture,
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int layerCount,
    int headCount,
    int kvHeadCount,
    int headDim,
    int expertCount,
    int expertsPerToken,
    double rmsNormEps,
    double ropeTheta,
    OptionalInt slidingWindow,
    int maxPositionEmbeddings,
    boolean tiedEmbeddings,
    OptionalInt bosTokenId,
    List<Integer> eosTokenIds) {

  /**
   * @throws IllegalArgumentException naming the first field that is out of range or contradicts
   *     another
   */
  public ModelConfig {
    eosTokenIds = List.copyOf(eosTokenIds);
    positive("vocabSize", vocabSize);
    positive("hiddenSize", hiddenSize);
    positive("intermediateSize", intermediateSize);
    positive("layerCount", layerCount);
    positive("headCount", headCount);
    positive("kvHeadCount", kvHeadCount);
    positive("headDim", headDim);
    positive("expertCount", expertCount);
    positive("expertsPerToken", expertsPerToken);
    positive("maxPositionEmbeddings", maxPositionEmbeddings);
    if (slidingWindow.isPresent()) {
      positive("slidingWindow", slidingWindow.getAsInt());
    }
    require(headCount % kvHeadCount == 0, "headCount", headCount, "a multiple of " + kvHeadCount);
    require(headDim % 2 == 0, "headDim", headDim, "an even number (rotary embedding)");
    require(
        expertsPerToken <= expertCount,
        "expertsPerToken",
        expertsPerToken,
        "at most " + expertCount);
    require(
        architecture == Architecture.MIXTRAL || expertCount == 1, "expertCount", expertCount, "1");
    require(rmsNormEps > 0 && rmsNormEps < 1, "rmsNormEps", rmsNormEps, "between 0 and 1");
    require(
        ropeTheta > 1 && Double.isFinite(ropeTheta), "ropeTheta", ropeTheta, "a number above 1");
    long queryWidth = (long) headCount * headDim;
    require(queryWidth <= Integer.MAX_VALUE, "headCount * headDim", queryWidth, "below 2^31");
    long experts = (long) layerCount * expertCount;
    require(experts <= Integer.MAX_VALUE, "layerCount * expertCount", experts, "below 2^31");
    if (bosTokenId.isPresent()) {
      requireToken("bosTokenId", bosTokenId.getAsInt(), vocabSize);
    }
    for (int id : eosTokenIds) {
      requireToken("eosTokenIds", id, vocabSize);
    }
  }

  private static void positive(String field, int value) {
    require(value > 0, field, value, "a positive number");
  }

  private static void requireToken(String field, int id, int vocabSize) {
    require(id >= 0 && id < vocabSize, field, id, "a token below " + vocabSize);
  }

  private static void require(boolean holds, String field, Object value, String expected) {
    if (!holds) {
      throw new IllegalArgumentException(
          "model config: " + field + ": expected " + expected + ", found " + value);
    }
  }

  /** Width of all query heads together. */
  public int queryWidth() {
    return headCount * headDim;
  }

  /** Width of all key (or value) heads together. */
  public int kvWidth() {
    return kvHeadCount * headDim;
  }

  /** Whether a router chooses among experts. */
  public boolean hasRouter() {
    return architecture == Architecture.MIXTRAL;
  }

  /** How many tensors the model has; a check to make before {@link #tensors()} lists them. */
  public long tensorCount() {
    long perLayer = (hasRouter() ? 7L : 6L) + 3L * expertCount;
    return perLayer * layerCount + (tiedEmbeddings ? 2 : 3);
  }

  /** Every tensor of the model with its shape, in canonical order: the one definition of both. */
  public SequencedMap<TensorKey, TensorShape> tensors() {
    SequencedMap<TensorKey, TensorShape> tensors = new LinkedHashMap<>();
    TensorShape norm = TensorShape.vector(hiddenSize);
    TensorShape vocabulary = TensorShape.matrix(vocabSize, hiddenSize);
    tensors.put(TensorKey.ofModel(TensorRole.EMBEDDING), vocabulary);
    for (int layer = 0; layer < layerCount; layer++) {
      putLayer(tensors, layer, norm);
    }
    tensors.put(TensorKey.ofModel(TensorRole.OUTPUT_NORM), norm);
    if (!tiedEmbeddings) {
      tensors.put(TensorKey.ofModel(TensorRole.LM_HEAD), vocabulary);
    }
    return tensors;
  }

  private void putLayer(Map<TensorKey, TensorShape> tensors, int layer, TensorShape norm) {
    TensorShape kv = TensorShape.matrix(kvWidth(), hiddenSize);
    TensorShape up = TensorShape.matrix(intermediateSize, hiddenSize);
    TensorShape down = TensorShape.matrix(hiddenSize, intermediateSize);
    tensors.put(TensorKey.ofLayer(layer, TensorRole.ATTENTION_NORM), norm);
    tensors.put(
        TensorKey.ofLayer(layer, TensorRole.QUERY), TensorShape.matrix(queryWidth(), hiddenSize));
    tensors.put(TensorKey.ofLayer(layer, TensorRole.KEY), kv);
    tensors.put(TensorKey.ofLayer(layer, TensorRole.VALUE), kv);
    tensors.put(
        TensorKey.ofLayer(layer, TensorRole.ATTENTION_OUTPUT),
        TensorShape.matrix(hiddenSize, queryWidth()));
    tensors.put(TensorKey.ofLayer(layer, TensorRole.FEED_FORWARD_NORM), norm);
    if (hasRouter()) {
      tensors.put(
          TensorKey.ofLayer(layer, TensorRole.ROUTER), TensorShape.matrix(expertCount, hiddenSize));
    }
    for (int expert = 0; expert < expertCount; expert++) {
      tensors.put(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_GATE), up);
      tensors.put(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_UP), up);
      tensors.put(TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN), down);
    }
  }

  /** Number of weights, all experts counted. */
  public long parameterCount() {
    return countParameters(expertCount);
  }

  /** Number of weights that take part in the computation of one token. */
  public long activeParameterCount() {
    return countParameters(expertsPerToken);
  }

  private long countParameters(int experts) {
    long hidden = hiddenSize;
    long attention =
        Math.addExact(
            Math.multiplyExact(2 * hidden, (long) queryWidth()),
            Math.multiplyExact(2 * hidden, (long) kvWidth()));
    long expert = Math.multiplyExact(3 * hidden, (long) intermediateSize);
    long layer =
        Math.addExact(
            Math.addExact(attention, 2 * hidden), Math.multiplyExact(expert, (long) experts));
    if (hasRouter()) {
      layer = Math.addExact(layer, hidden * expertCount);
    }
    long vocabulary = Math.multiplyExact((long) vocabSize, hidden * (tiedEmbeddings ? 1 : 2));
    return Math.addExact(
        Math.addExact(vocabulary, hidden), Math.multiplyExact(layer, (long) layerCount));
  }
}
