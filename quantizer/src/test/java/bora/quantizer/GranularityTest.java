package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GranularityTest {
  @ParameterizedTest
  @CsvSource({
    "MODEL,      model,     model,   model,            model",
    "LAYER,      embedding, layer 3, layer 3,          layer 3",
    "PROJECTION, embedding, layer 3 q, layer 3 w1,     layer 3 w2",
    "EXPERT,     embedding, layer 3 attention, layer 3 expert 5, layer 3 expert 5",
    "TENSOR,     embedding, layer 3 q, layer 3 expert 5 w1, layer 3 expert 5 w2"
  })
  void namesWhatSharesAnEncoding(
      Granularity granularity, String embedding, String query, String gate, String down) {
    assertEquals(embedding, granularity.unit(TensorKey.ofModel(TensorRole.EMBEDDING)));
    assertEquals(query, granularity.unit(TensorKey.ofLayer(3, TensorRole.QUERY)));
    assertEquals(gate, granularity.unit(TensorKey.ofExpert(3, 5, TensorRole.EXPERT_GATE)));
    assertEquals(down, granularity.unit(TensorKey.ofExpert(3, 5, TensorRole.EXPERT_DOWN)));
    Stream.of(TensorRole.ROUTER, TensorRole.ATTENTION_NORM)
        .map(role -> TensorKey.ofLayer(3, role))
        .forEach(exact -> assertEquals(exact.toString(), granularity.unit(exact)));
  }
}
