package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class ModelTest {
  private static final RandomModel RANDOM = RandomModel.of(RandomModel.EXPERTS);

  @Test
  void saysWhatComputes() {
    try (Model model = RANDOM.open(KernelChoice.SCALAR)) {
      assertEquals("scalar, 2 threads", model.kernels());
    }
    try (Model model = RANDOM.open(KernelChoice.VECTOR)) {
      assertTrue(model.kernels().matches("vector \\d+ bits, 2 threads"), model.kernels());
    }
  }

  @Test
  void sessionsOfAClosedModelRefuseToRun() {
    Model model = RANDOM.open(KernelChoice.SCALAR);
    Session session = model.newSession(4);
    session.decode(1, ForwardObserver.NONE);
    model.close();
    model.close();
    assertThrows(IllegalStateException.class, () -> session.decode(1, ForwardObserver.NONE));
    assertThrows(
        IllegalStateException.class, () -> session.prefill(new int[] {1}, ForwardObserver.NONE));
    assertEquals(1, session.position());
  }

  @Test
  void refusesATensorOfAnotherShape() {
    TensorKey key = TensorKey.ofExpert(1, 3, TensorRole.EXPERT_DOWN);
    TensorShape shape = TensorShape.matrix(20, 27);
    EncodedTensor wrong =
        EncodedTensors.encode(Encoding.F32, shape, new float[20 * 27], new Random(1));
    IllegalArgumentException thrown =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                new Model(
                    RANDOM.config(),
                    k -> k.equals(key) ? wrong : RANDOM.tensors().get(k),
                    RuntimeOptions.defaults()));
    assertEquals(
        "layer 1 expert 3 w2: expected shape [20, 28], found [20, 27]", thrown.getMessage());
  }

  @Test
  void needsAThread() {
    assertThrows(IllegalArgumentException.class, () -> new RuntimeOptions(0, KernelChoice.AUTO));
  }
}
