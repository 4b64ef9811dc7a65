package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import bora.formats.model.KnownModel;
import bora.formats.model.ModelConfig;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

final class KvCacheTest {
  private static final ModelConfig WINDOW_OF_5 = RandomModel.DENSE_WINDOWED_TIED;

  @ParameterizedTest
  @CsvSource({"1000000, 4, 256", "1000000, 253, 512", "257, 4, 256", "7, 4, 32", "3, 3, 32"})
  void holdsNoMoreThanWindowAndBatch(int contextTokens, int maxBatch, int capacity) {
    assertEquals(capacity, cache(WINDOW_OF_5, KvCacheType.F32, contextTokens, maxBatch).capacity());
  }

  @Test
  void holdsTheWholeContextWithoutAWindow() {
    KvCache cache = cache(RandomModel.DENSE, KvCacheType.F32, 40, 4);
    assertEquals(64, cache.capacity());
    assertEquals(40, cache.visibleTokens(39));
  }

  @ParameterizedTest
  @EnumSource
  void keepsWhatTheFirstTokenOfABatchSees(KvCacheType type) {
    int maxBatch = 253;
    KvCache cache = cache(WINDOW_OF_5, type, 10_000, maxBatch);
    assertEquals(512, cache.capacity());
    int width = WINDOW_OF_5.kvWidth();
    for (int first = 0; first < 5 * maxBatch; first += maxBatch) {
      FloatArray k = FloatArray.ofLength(maxBatch * width);
      FloatArray v = FloatArray.ofLength(maxBatch * width);
      for (int i = 0; i < k.length(); i++) {
        k.set(i, key(first + i / width, i % width));
        v.set(i, -k.get(i));
      }
      for (int kvHead = 0; kvHead < WINDOW_OF_5.kvHeadCount(); kvHead++) {
        cache.put(Kernels.fastest(), 1, kvHead, first, maxBatch, k, v);
      }
      for (int position = Math.max(0, first - 4); position < first + maxBatch; position++) {
        for (int c = 0; c < width; c++) {
          assertEquals(key(position, c), storedKey(cache, position, c));
          assertEquals(-key(position, c), storedValue(cache, position, c));
        }
      }
    }
  }

  /** Told by the query that is 1 at a component and 0 elsewhere. */
  private static float storedKey(KvCache cache, int position, int c) {
    int headDim = WINDOW_OF_5.headDim();
    FloatArray query = FloatArray.ofLength(headDim);
    query.set(c % headDim, 1);
    FloatArray scores = FloatArray.ofLength(Kernels.KEYS_PER_BLOCK);
    int slot = cache.slotOf(position);
    int lane = slot % Kernels.KEYS_PER_BLOCK;
    cache
        .head(1, c / headDim)
        .scores(Kernels.scalar(), query, 0, 1, slot - lane, 1, scores, 0, scores.length());
    return scores.get(lane);
  }

  private static float storedValue(KvCache cache, int position, int c) {
    int headDim = WINDOW_OF_5.headDim();
    FloatArray weight = FloatArray.wrap(new float[] {1});
    FloatArray sums = FloatArray.ofLength(headDim);
    cache
        .head(1, c / headDim)
        .addWeighted(Kernels.scalar(), weight, 0, 1, 1, cache.slotOf(position), 1, sums, 0);
    return sums.get(c % headDim);
  }

  private static KvCache cache(
      ModelConfig config, KvCacheType type, int contextTokens, int maxBatch) {
    return new KvCache(config, type, config.layerCount(), contextTokens, maxBatch);
  }

  /** A bf16 holds it. */
  private static float key(int position, int component) {
    return 1 + (position * 31 + component) % 255;
  }

  @Test
  void saysWhatAContextTakesThatTheSystemHasNoMemoryFor() {
    ModelConfig config = KnownModel.MISTRAL_7B_V0_2.config();
    // 2^62 bytes and more: no system has so many addresses.
    int layers = 1 << 27;
    ContextTooLargeException thrown =
        assertThrows(
            ContextTooLargeException.class,
            () -> new KvCache(config, KvCacheType.F32, layers, 4_000_000, 512));
    assertEquals(
        "context: the system has no memory for the keys and values of 4000000 tokens:"
            + " they take 4398046511.10 GB",
        thrown.getMessage());
  }

  @Test
  void rejectsAContextThatNoBufferHolds() {
    ModelConfig config = KnownModel.MISTRAL_7B_V0_2.config();
    ContextTooLargeException thrown =
        assertThrows(
            ContextTooLargeException.class, () -> cache(config, KvCacheType.F32, 20_000_000, 512));
    assertEquals(
        "context: expected at most 4194048 tokens for heads of 128, found 20000000",
        thrown.getMessage());
  }
}
