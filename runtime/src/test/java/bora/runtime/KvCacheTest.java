package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import bora.formats.model.KnownModel;
import bora.formats.model.ModelConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class KvCacheTest {
  private static final ModelConfig WINDOW_OF_5 = RandomModel.DENSE_WINDOWED_TIED;

  @ParameterizedTest
  @CsvSource({"1000000, 4, 8", "1000000, 1, 5", "7, 4, 7", "3, 3, 3"})
  void holdsNoMoreThanWindowAndBatch(int contextTokens, int maxBatch, int capacity) {
    assertEquals(
        capacity,
        new KvCache(WINDOW_OF_5, WINDOW_OF_5.layerCount(), contextTokens, maxBatch).capacity());
  }

  @Test
  void holdsTheWholeContextWithoutAWindow() {
    KvCache cache = new KvCache(RandomModel.DENSE, RandomModel.DENSE.layerCount(), 40, 4);
    assertEquals(40, cache.capacity());
    assertEquals(40, cache.visibleTokens(39));
  }

  @Test
  void keepsWhatTheFirstTokenOfABatchSees() {
    int maxBatch = 4;
    KvCache cache = new KvCache(WINDOW_OF_5, WINDOW_OF_5.layerCount(), 100, maxBatch);
    int width = WINDOW_OF_5.kvWidth();
    int headDim = WINDOW_OF_5.headDim();
    for (int first = 0; first < 40; first += maxBatch) {
      float[] k = new float[maxBatch * width];
      float[] v = new float[maxBatch * width];
      for (int i = 0; i < k.length; i++) {
        k[i] = key(first + i / width, i % width);
        v[i] = -k[i];
      }
      cache.put(1, first, maxBatch, k, v);
      for (int position = Math.max(0, first - 4); position < first + maxBatch; position++) {
        for (int c = 0; c < width; c++) {
          int offset = cache.slotOf(position) * headDim + c % headDim;
          assertEquals(key(position, c), cache.keys(1, c / headDim)[offset]);
          assertEquals(-key(position, c), cache.values(1, c / headDim)[offset]);
        }
      }
    }
  }

  private static float key(int position, int component) {
    return 1 + position * 100 + component;
  }

  @Test
  void rejectsAContextThatNoArrayHolds() {
    ModelConfig config = KnownModel.MISTRAL_7B_V0_2.config();
    IllegalArgumentException thrown =
        assertThrows(
            IllegalArgumentException.class,
            () -> new KvCache(config, config.layerCount(), 20_000_000, 512));
    assertEquals(
        "context: expected at most 16777215 tokens for heads of 128, found 20000000",
        thrown.getMessage());
  }
}
