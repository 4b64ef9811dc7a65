package bora.formats.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TensorKeyTest {
  @ParameterizedTest
  @CsvSource({
    "0, EMBEDDING, -1",
    "-1, EMBEDDING, 0",
    "-1, QUERY, -1",
    "0, QUERY, 0",
    "0, EXPERT_GATE, -1",
    "-1, EXPERT_GATE, 0",
    "-2, LM_HEAD, -1",
    "0, ROUTER, -2",
    "-1, LM_HEAD, -2"
  })
  void refusesLayersAndExpertsThatTheRoleDoesNotHave(int layer, TensorRole role, int expert) {
    assertThrows(IllegalArgumentException.class, () -> new TensorKey(layer, role, expert));
  }

  @Test
  void readsAsPeopleSayIt() {
    assertEquals("embedding", TensorKey.ofModel(TensorRole.EMBEDDING).toString());
    assertEquals("layer 3 q", TensorKey.ofLayer(3, TensorRole.QUERY).toString());
    assertEquals(
        "layer 3 expert 5 w1", TensorKey.ofExpert(3, 5, TensorRole.EXPERT_GATE).toString());
  }

  @Test
  void roleIdsArePermanent() {
    assertEquals(
        List.of(
            "embedding",
            "attention_norm",
            "q",
            "k",
            "v",
            "o",
            "feed_forward_norm",
            "router",
            "w1",
            "w3",
            "w2",
            "output_norm",
            "lm_head"),
        Arrays.stream(TensorRole.values()).map(TensorRole::id).toList());
    for (TensorRole role : TensorRole.values()) {
      assertEquals(role, TensorRole.ofId(role.id()));
    }
  }

  @Test
  void unknownRoleIsRefusedWithTheKnownOnes() {
    IllegalArgumentException thrown =
        assertThrows(IllegalArgumentException.class, () -> TensorRole.ofId("w4"));
    assertTrue(thrown.getMessage().contains("w4") && thrown.getMessage().contains("[embedding, "));
  }

  @ParameterizedTest
  @CsvSource({"0, 1, 1", "3, 1, 1", "1, 2, 5", "2, 0, 5", "2, 5, 0", "2, -1, 5"})
  void refusesImpossibleShapes(int rank, int rows, int columns) {
    assertThrows(IllegalArgumentException.class, () -> new TensorShape(rank, rows, columns));
  }
}
