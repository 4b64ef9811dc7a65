package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.model.Architecture;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import java.io.IOException;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class ExpertSensitivityTest {
  private static final ModelConfig CONFIG = TestWeights.config(Architecture.MIXTRAL, 2, 4);

  private final Map<TensorKey, SampledMatrix> weights = TestWeights.model(CONFIG);

  private double[] scores() throws IOException {
    return new ExpertSensitivity(CONFIG, weights::get).scores(1);
  }

  private float[] values(TensorRole role, int expert) {
    return weights.get(TensorKey.ofExpert(1, expert, role)).values();
  }

  @Test
  void doesNotChangeWhenPowersOfTwoMoveFromTheNormIntoColumns() throws IOException {
    double[] before = scores();
    int hidden = CONFIG.hiddenSize();
    float[] norm = weights.get(TensorKey.ofLayer(1, TensorRole.FEED_FORWARD_NORM)).values();
    for (int column = 0; column < hidden; column += 3) {
      float factor = (float) (1 << column % 7);
      norm[column] *= factor;
      for (int expert = 0; expert < CONFIG.expertCount(); expert++) {
        for (int row = 0; row < CONFIG.intermediateSize(); row++) {
          values(TensorRole.EXPERT_GATE, expert)[row * hidden + column] /= factor;
          values(TensorRole.EXPERT_UP, expert)[row * hidden + column] /= factor;
        }
      }
    }
    assertArrayEquals(before, scores());
  }

  @Test
  void doesNotChangeWhenPowersOfTwoMoveFromUpRowsIntoDownColumns() throws IOException {
    double[] before = scores();
    int hidden = CONFIG.hiddenSize();
    int intermediate = CONFIG.intermediateSize();
    for (int channel = 0; channel < intermediate; channel += 2) {
      float factor = (float) (1 << channel % 7);
      for (int i = 0; i < hidden; i++) {
        values(TensorRole.EXPERT_UP, 2)[channel * hidden + i] *= factor;
        values(TensorRole.EXPERT_DOWN, 2)[i * intermediate + channel] /= factor;
      }
    }
    assertArrayEquals(before, scores());
  }

  @Test
  void risesWithTheWeightsOfAnExpert() throws IOException {
    double[] before = scores();
    for (float[] values :
        new float[][] {values(TensorRole.EXPERT_UP, 3), values(TensorRole.EXPERT_DOWN, 1)}) {
      for (int i = 0; i < values.length; i++) {
        values[i] *= 4;
      }
    }
    double[] after = scores();
    assertEquals(before[0], after[0]);
    assertEquals(16 * before[1], after[1]);
    assertEquals(before[2], after[2]);
    assertEquals(16 * before[3], after[3]);
  }

  @Test
  void risesWithOutliers() throws IOException {
    double[] before = scores();
    float[] gate = values(TensorRole.EXPERT_GATE, 1);
    for (int row = 0; row < CONFIG.intermediateSize(); row++) {
      gate[row * CONFIG.hiddenSize() + 5] = 0.5f;
    }
    assertTrue(scores()[1] > 2 * before[1]);
  }

  @Test
  void isZeroForAnExpertOfZeros() throws IOException {
    Arrays.fill(values(TensorRole.EXPERT_DOWN, 0), 0);
    assertEquals(0, scores()[0]);
  }
}
