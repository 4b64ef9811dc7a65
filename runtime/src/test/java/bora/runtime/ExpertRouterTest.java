package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ExpertRouterTest {
  /** Some units in the last place of a weight below 1. */
  private static final float WEIGHT_TOLERANCE = 2e-7f;

  record Choice(float[] logits, int... experts) {}

  static List<Choice> choices() {
    return List.of(
        new Choice(new float[] {1, 4, 2, 3}, 1, 3),
        new Choice(new float[] {-1, -4, -2, -3}, 0, 2),
        new Choice(new float[] {5, 5, 5, 5}, 0, 1),
        new Choice(new float[] {1, 7, 2, 7}, 1, 3),
        new Choice(new float[] {2, 7, 2, 2}, 1, 0),
        new Choice(new float[] {0, -0f, -1000, -1000}, 0, 1));
  }

  @ParameterizedTest
  @MethodSource("choices")
  void choosesTheLargestAndTheLowerIndexAmongEquals(Choice choice) {
    int[] experts = new int[2];
    new ExpertRouter(4, 2).choose(choice.logits, 0, experts, 0);
    assertArrayEquals(choice.experts, experts);
  }

  @Test
  void weighsBySoftmaxOverAllRenormalized() {
    float[] logits = {9, 0.3f, -1.2f, 2.5f, 0.7f, 9};
    int[] experts = {9, 2, 3, 0};
    float[] weights = new float[4];
    ExpertRouter router = new ExpertRouter(4, 3);

    router.choose(logits, 1, experts, 1);
    router.weigh(logits, 1, experts, weights, 1);

    assertArrayEquals(new int[] {9, 2, 3, 0}, experts);
    double all = Math.exp(0.3f) + Math.exp(-1.2f) + Math.exp(2.5f) + Math.exp(0.7f);
    double[] probabilities = {Math.exp(2.5f) / all, Math.exp(0.7f) / all, Math.exp(0.3f) / all};
    double chosen = probabilities[0] + probabilities[1] + probabilities[2];
    for (int rank = 0; rank < 3; rank++) {
      assertEquals(probabilities[rank] / chosen, weights[1 + rank], WEIGHT_TOLERANCE);
    }
    assertEquals(0, weights[0]);
  }

  @Test
  void weighsImposedExpertsThatTheRouterRulesOut() {
    float[] logits = {500, 0, 0, -300};
    int[] experts = new int[2];
    float[] weights = new float[2];
    ExpertRouter router = new ExpertRouter(4, 2);

    router.impose(new int[] {2, 1}, experts, 0);
    router.weigh(logits, 0, experts, weights, 0);

    assertArrayEquals(new int[] {2, 1}, experts);
    assertArrayEquals(new float[] {0.5f, 0.5f}, weights);
  }

  static List<int[]> impossibleChoices() {
    return List.of(
        new int[] {1}, new int[] {1, 2, 3}, new int[] {1, 1}, new int[] {0, 4}, new int[] {-1, 0});
  }

  @ParameterizedTest
  @MethodSource("impossibleChoices")
  void rejectsAnImpossibleChoice(int[] imposed) {
    assertThrows(
        IllegalArgumentException.class,
        () -> new ExpertRouter(4, 2).impose(imposed, new int[2], 0));
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void rejectsLogitsThatAreNotFinite(float logit) {
    float[] logits = {1, logit, 2, 3};
    assertThrows(
        ArithmeticException.class, () -> new ExpertRouter(4, 2).choose(logits, 0, new int[2], 0));
  }
}
