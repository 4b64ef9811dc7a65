package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The kernels together, at every width. */
class LayerKernelTest {
  private static final int TOKENS = 41;

  /**
   * Calibrations decide the bytes of packs, so hidden states may not depend on the machine. The
   * value changes with the arithmetic of the kernels, and only then.
   */
  @Test
  void hiddenStatesAreTheSameBitsAtEveryWidth() {
    RandomModel model = RandomModel.of(RandomModel.EXPERTS);
    Random random = new Random(2);
    float[] hidden = new float[TOKENS * model.config().hiddenSize()];
    for (int i = 0; i < hidden.length; i++) {
      hidden[i] = (float) random.nextGaussian();
    }
    RuntimeOptions options = new RuntimeOptions(2, KernelChoice.AUTO);
    try (LayerPass pass = new LayerPass(model.config(), TOKENS, options)) {
      for (int layer = 0; layer < model.config().layerCount(); layer++) {
        pass.run(
            layer,
            model.tensors()::get,
            TOKENS,
            hidden,
            0,
            ForwardObserver.NONE,
            LinearInputObserver.NONE);
      }
    }
    assertEquals(1205403995, Arrays.hashCode(hidden));
  }
}
