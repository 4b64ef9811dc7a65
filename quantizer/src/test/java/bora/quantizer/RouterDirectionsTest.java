package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.calibration.MomentsSource;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RouterDirectionsTest {
  private static final int EXPERTS = 4;

  private static FoldedModel model(ModelConfig config) {
    return new FoldedModel(config, TestWeights.model(config)::get, MomentsSource.NONE);
  }

  @ParameterizedTest
  @CsvSource({
    "0, ATTENTION_OUTPUT, 3",
    "1, ATTENTION_OUTPUT, 2",
    "2, ATTENTION_OUTPUT, 1",
    "0, EXPERT_DOWN, 2",
    "1, EXPERT_DOWN, 1",
    "2, EXPERT_DOWN, 0",
    "0, QUERY, 0",
    "0, VALUE, 0",
    "0, EXPERT_GATE, 0",
    "0, EXPERT_UP, 0",
  })
  void matricesThatWriteTheResidualStreamMindTheRoutersBehindThem(
      int layer, TensorRole role, int routers) throws IOException {
    ModelConfig config = TestWeights.config(Architecture.MIXTRAL, 3, EXPERTS);
    TensorKey key =
        role == TensorRole.ATTENTION_OUTPUT || role == TensorRole.QUERY || role == TensorRole.VALUE
            ? TensorKey.ofLayer(layer, role)
            : TensorKey.ofExpert(layer, 1, role);
    OutputFeedback feedback = model(config).outputFeedback(key);
    assertEquals(routers * EXPERTS, feedback.newSums(1).length);
  }

  @Test
  void aDenseModelHasNone() throws IOException {
    ModelConfig config = TestWeights.config(Architecture.MISTRAL, 2, 1);
    TensorKey key = TensorKey.ofLayer(0, TensorRole.ATTENTION_OUTPUT);
    assertEquals(
        OutputFeedback.NONE.newSums(1).length, model(config).outputFeedback(key).newSums(1).length);
  }

  /** The error of an embedding's row goes to later columns in what routers cannot tell. */
  @Test
  void anEmbeddingIsRoundedByWhatRoutersReadOfIt() throws IOException {
    ModelConfig config = TestWeights.config(Architecture.MIXTRAL, 2, EXPERTS);
    FeedbackFactor factor = model(config).factor(TensorKey.ofModel(TensorRole.EMBEDDING));
    assertEquals(config.hiddenSize(), factor.columns());
    assertEquals(config.hiddenSize() - 1, factor.coefficients(config.hiddenSize() - 1).length);
  }
}
