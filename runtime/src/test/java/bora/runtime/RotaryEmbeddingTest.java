package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class RotaryEmbeddingTest {
  /** Two float32 roundings of values of magnitude 1. */
  private static final double TOLERANCE = 5e-7;

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 4095, 32_768, 1_000_003})
  void turnsDimensionWithItsPartnerHalfAHeadAway(int position) {
    int headDim = 6;
    float[] heads = {9, 9, 9, 9, 9, 9, 1, 0, 0.5f, 0, 1, -0.25f};
    RotaryEmbedding rotary = new RotaryEmbedding(Kernels.scalar(), headDim, 1e6, 2);

    rotary.setPositions(position - 1, 2);
    rotary.rotate(FloatArray.wrap(heads), 1, 2);

    float[] x = {1, 0, 0.5f, 0, 1, -0.25f};
    for (int i = 0; i < 3; i++) {
      double angle = position * Math.pow(1e6, -2.0 * i / headDim);
      assertEquals(x[i] * Math.cos(angle) - x[i + 3] * Math.sin(angle), heads[6 + i], TOLERANCE);
      assertEquals(
          x[i + 3] * Math.cos(angle) + x[i] * Math.sin(angle), heads[6 + i + 3], TOLERANCE);
    }
  }

  @Test
  void scoresDependOnTheDistanceAlone() {
    int headDim = 8;
    double near = score(headDim, 3, 0);
    double far = score(headDim, 100_003, 100_000);
    assertEquals(near, far, 1e-5);
  }

  private static double score(int headDim, int queryPosition, int keyPosition) {
    float[] query = {0.1f, 0.7f, -0.3f, 0.9f, -0.2f, 0.4f, 0.6f, -0.8f};
    float[] key = {0.5f, -0.1f, 0.2f, 0.3f, 0.8f, -0.6f, 0.1f, 0.7f};
    RotaryEmbedding rotary = new RotaryEmbedding(Kernels.scalar(), headDim, 10_000, 1);
    rotary.setPositions(queryPosition, 1);
    rotary.rotate(FloatArray.wrap(query), 1, 1);
    rotary.setPositions(keyPosition, 1);
    rotary.rotate(FloatArray.wrap(key), 1, 1);
    double score = 0;
    for (int i = 0; i < headDim; i++) {
      score += (double) query[i] * key[i];
    }
    return score;
  }
}
