package bora.formats.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.OptionalInt;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ModelConfigTest {
  @Test
  void mixtralTensorsStandInCanonicalOrder() {
    ModelConfig config = TestConfigs.config(Architecture.MIXTRAL, 1, 2, 1, false);
    assertEquals(
        List.of(
            "embedding [24, 16]",
            "layer 0 attention_norm [16]",
            "layer 0 q [16, 16]",
            "layer 0 k [8, 16]",
            "layer 0 v [8, 16]",
            "layer 0 o [16, 16]",
            "layer 0 feed_forward_norm [16]",
            "layer 0 router [2, 16]",
            "layer 0 expert 0 w1 [24, 16]",
            "layer 0 expert 0 w3 [24, 16]",
            "layer 0 expert 0 w2 [16, 24]",
            "layer 0 expert 1 w1 [24, 16]",
            "layer 0 expert 1 w3 [24, 16]",
            "layer 0 expert 1 w2 [16, 24]",
            "output_norm [16]",
            "lm_head [24, 16]"),
        listing(config));
  }

  @Test
  void denseFeedForwardIsExpertZeroWithoutRouter() {
    ModelConfig config = TestConfigs.config(Architecture.MISTRAL, 1, 1, 1, true);
    assertEquals(
        List.of(
            "embedding [24, 16]",
            "layer 0 attention_norm [16]",
            "layer 0 q [16, 16]",
            "layer 0 k [8, 16]",
            "layer 0 v [8, 16]",
            "layer 0 o [16, 16]",
            "layer 0 feed_forward_norm [16]",
            "layer 0 expert 0 w1 [24, 16]",
            "layer 0 expert 0 w3 [24, 16]",
            "layer 0 expert 0 w2 [16, 24]",
            "output_norm [16]"),
        listing(config));
  }

  private static List<String> listing(ModelConfig config) {
    return config.tensors().entrySet().stream()
        .map(tensor -> tensor.getKey() + " " + tensor.getValue())
        .toList();
  }

  static List<ModelConfig> shapes() {
    return List.of(
        TestConfigs.mistral(),
        TestConfigs.mixtral(),
        TestConfigs.config(Architecture.MISTRAL, 3, 1, 1, true),
        TestConfigs.config(Architecture.MIXTRAL, 3, 1, 1, false),
        TestConfigs.config(Architecture.MIXTRAL, 1, 8, 3, true));
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void countsAgreeWithTheList(ModelConfig config) {
    assertEquals(config.tensors().size(), config.tensorCount());
    assertEquals(
        config.tensors().values().stream().mapToLong(TensorShape::elementCount).sum(),
        config.parameterCount());
  }

  @Test
  void mixtralOfOneExpertStillHasARouter() {
    assertTrue(TestConfigs.config(Architecture.MIXTRAL, 1, 1, 1, false).hasRouter());
    assertFalse(TestConfigs.mistral().hasRouter());
  }

  /** The sizes of a config, to be changed one at a time. */
  record Sizes(
      int vocab, int hidden, int intermediate, int layers, int heads, int kvHeads, int headDim) {
    static final Sizes VALID = new Sizes(24, 16, 24, 2, 4, 2, 4);

    ModelConfig with(Experts experts, Numbers numbers) {
      return new ModelConfig(
          experts.architecture(),
          vocab,
          hidden,
          intermediate,
          layers,
          heads,
          kvHeads,
          headDim,
          experts.count(),
          experts.perToken(),
          numbers.eps(),
          numbers.theta(),
          numbers.window(),
          numbers.positions(),
          false,
          numbers.bos(),
          numbers.eos());
    }
  }

  record Experts(Architecture architecture, int count, int perToken) {
    static final Experts VALID = new Experts(Architecture.MIXTRAL, 4, 2);
  }

  record Numbers(
      double eps,
      double theta,
      OptionalInt window,
      int positions,
      OptionalInt bos,
      List<Integer> eos) {
    static final Numbers VALID =
        new Numbers(1e-5, 1e4, OptionalInt.of(8), 128, OptionalInt.of(0), List.of(1, 23));
  }

  static List<Arguments> contradictions() {
    OptionalInt none = OptionalInt.empty();
    List<Integer> noTokens = List.of();
    return List.of(
        sizes("vocabSize", new Sizes(0, 16, 24, 2, 4, 2, 4)),
        sizes("hiddenSize", new Sizes(24, -16, 24, 2, 4, 2, 4)),
        sizes("intermediateSize", new Sizes(24, 16, 0, 2, 4, 2, 4)),
        sizes("layerCount", new Sizes(24, 16, 24, 0, 4, 2, 4)),
        sizes("headCount", new Sizes(24, 16, 24, 2, 0, 2, 4)),
        sizes("kvHeadCount", new Sizes(24, 16, 24, 2, 4, 0, 4)),
        sizes("headDim", new Sizes(24, 16, 24, 2, 4, 2, 0)),
        sizes("headCount", new Sizes(24, 16, 24, 2, 4, 3, 4)),
        sizes("headCount", new Sizes(24, 16, 24, 2, 4, 8, 4)),
        sizes("headDim", new Sizes(24, 16, 24, 2, 4, 2, 5)),
        sizes("headCount * headDim", new Sizes(24, 16, 24, 2, 1 << 20, 2, 1 << 20)),
        experts("expertCount", new Experts(Architecture.MIXTRAL, 0, 2)),
        experts("expertsPerToken", new Experts(Architecture.MIXTRAL, 4, 0)),
        experts("expertsPerToken", new Experts(Architecture.MIXTRAL, 4, 5)),
        experts("expertCount", new Experts(Architecture.MISTRAL, 2, 1)),
        numbers("rmsNormEps", new Numbers(0, 1e4, none, 128, none, noTokens)),
        numbers("rmsNormEps", new Numbers(Double.NaN, 1e4, none, 128, none, noTokens)),
        numbers("rmsNormEps", new Numbers(1, 1e4, none, 128, none, noTokens)),
        numbers("ropeTheta", new Numbers(1e-5, 1, none, 128, none, noTokens)),
        numbers("ropeTheta", new Numbers(1e-5, Double.NaN, none, 128, none, noTokens)),
        numbers(
            "ropeTheta", new Numbers(1e-5, Double.POSITIVE_INFINITY, none, 128, none, noTokens)),
        numbers("slidingWindow", new Numbers(1e-5, 1e4, OptionalInt.of(0), 128, none, noTokens)),
        numbers("maxPositionEmbeddings", new Numbers(1e-5, 1e4, none, 0, none, noTokens)),
        numbers("bosTokenId", new Numbers(1e-5, 1e4, none, 128, OptionalInt.of(24), noTokens)),
        numbers("bosTokenId", new Numbers(1e-5, 1e4, none, 128, OptionalInt.of(-1), noTokens)),
        numbers("eosTokenIds", new Numbers(1e-5, 1e4, none, 128, none, List.of(2, 24))));
  }

  private static Arguments sizes(String field, Sizes sizes) {
    return contradiction(field, valid -> sizes.with(Experts.VALID, valid));
  }

  private static Arguments experts(String field, Experts experts) {
    return contradiction(field, valid -> Sizes.VALID.with(experts, valid));
  }

  private static Arguments numbers(String field, Numbers numbers) {
    return contradiction(field, valid -> Sizes.VALID.with(Experts.VALID, numbers));
  }

  private static Arguments contradiction(String field, Function<Numbers, ModelConfig> config) {
    return Arguments.of(field, config);
  }

  @ParameterizedTest(name = "{0} [{index}]")
  @MethodSource("contradictions")
  void refusesFieldsOutOfRangeByName(String field, Function<Numbers, ModelConfig> config) {
    IllegalArgumentException thrown =
        assertThrows(IllegalArgumentException.class, () -> config.apply(Numbers.VALID));
    assertTrue(
        thrown.getMessage().startsWith("model config: " + field + ": expected "),
        thrown.getMessage());
  }

  @Test
  void validSizesAreAccepted() {
    assertEquals(24, Sizes.VALID.with(Experts.VALID, Numbers.VALID).vocabSize());
  }

  @Test
  void tensorCountsBeyondAnyFileAreRefused() {
    Sizes deep = new Sizes(24, 16, 24, Integer.MAX_VALUE, 4, 2, 4);
    Experts many = new Experts(Architecture.MIXTRAL, Integer.MAX_VALUE, 2);
    assertThrows(IllegalArgumentException.class, () -> deep.with(many, Numbers.VALID));
  }
}
