package bora.formats.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class KnownModelTest {
  @ParameterizedTest
  @CsvSource({
    "MISTRAL_7B_V0_1, 7241732096, 7241732096, 291",
    "MISTRAL_7B_V0_2, 7241732096, 7241732096, 291",
    "MIXTRAL_8X7B_V0_1, 46702792704, 12879925248, 995"
  })
  void countsAreThoseOfThePublishedWeights(
      KnownModel model, long parameters, long active, long tensors) {
    assertEquals(parameters, model.config().parameterCount());
    assertEquals(active, model.config().activeParameterCount());
    assertEquals(tensors, model.config().tensorCount());
  }

  @ParameterizedTest
  @EnumSource
  void countsAreTheSumsOverTheTensors(KnownModel model) {
    ModelConfig config = model.config();
    assertEquals(config.tensors().size(), config.tensorCount());
    assertEquals(
        config.tensors().values().stream().mapToLong(TensorShape::elementCount).sum(),
        config.parameterCount());
    assertEquals(
        config.tensors().entrySet().stream()
            .filter(tensor -> tensor.getKey().expert() < config.expertsPerToken())
            .mapToLong(tensor -> tensor.getValue().elementCount())
            .sum(),
        config.activeParameterCount());
  }

  @Test
  void windowDistinguishesTheFirstMistral() {
    assertEquals(OptionalInt.of(4096), KnownModel.MISTRAL_7B_V0_1.config().slidingWindow());
    assertEquals(OptionalInt.empty(), KnownModel.MISTRAL_7B_V0_2.config().slidingWindow());
    assertEquals(OptionalInt.empty(), KnownModel.MIXTRAL_8X7B_V0_1.config().slidingWindow());
  }

  @Test
  void isFoundByItsNameInAnyCase() {
    assertEquals(KnownModel.MIXTRAL_8X7B_V0_1, KnownModel.ofId("Mixtral-8x7B-v0.1").orElseThrow());
    assertTrue(KnownModel.ofId("mixtral").isEmpty());
    for (KnownModel model : KnownModel.values()) {
      assertEquals(model, KnownModel.ofId(model.id()).orElseThrow());
    }
  }
}
