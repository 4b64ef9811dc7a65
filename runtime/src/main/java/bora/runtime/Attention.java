package bora.runtime;

import bora.formats.model.ModelConfig;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;
import java.util.Arrays;

/**
 * Grouped-query attention of a batch over the cache: consecutive query heads share a key/value
 * head, scores are scaled by 1/sqrt(headDim), and a position sees those of its window up to itself
 * (position i sees j where {@code i - j < window}, as transformers has it). Heads are split over
 * the threads.
 */
final class Attention implements WorkerPool.RangeTask {
  private final Kernels kernels;
  private final WorkerPool pool;
  private final KvCache cache;
  private final int headCount;
  private final int headsPerKvHead;
  private final int headDim;
  private final float scale;
  private final float[][] scores;

  private int layer;
  private int firstPosition;
  private int tokens;
  private float[] queries;
  private float[] output;

  Attention(Kernels kernels, WorkerPool pool, ModelConfig config, KvCache cache) {
    this.kernels = kernels;
    this.pool = pool;
    this.cache = cache;
    this.headCount = config.headCount();
    this.headsPerKvHead = headCount / config.kvHeadCount();
    this.headDim = config.headDim();
    this.scale = (float) (1 / Math.sqrt(headDim));
    this.scores = new float[headCount][cache.window()];
  }

  /**
   * Attends for {@code firstPosition} and those that follow it, whose keys and values the cache
   * holds.
   *
   * @param queries [tokens, headCount, headDim], rotated
   * @param output receives [tokens, headCount, headDim]
   */
  void compute(int layer, int firstPosition, int tokens, float[] queries, float[] output) {
    this.layer = layer;
    this.firstPosition = firstPosition;
    this.tokens = tokens;
    this.queries = queries;
    this.output = output;
    pool.forEachRange(headCount, this);
  }

  @Override
  public void run(int headStart, int headEnd) {
    for (int head = headStart; head < headEnd; head++) {
      for (int token = 0; token < tokens; token++) {
        attend(head, firstPosition + token, (token * headCount + head) * headDim);
      }
    }
  }

  private void attend(int head, int position, int offset) {
    float[] keys = cache.keys(layer, head / headsPerKvHead);
    float[] values = cache.values(layer, head / headsPerKvHead);
    float[] weights = scores[head];
    int visible = cache.visibleTokens(position);
    int firstSlot = cache.slotOf(position - visible + 1);
    int capacity = cache.capacity();
    for (int i = 0, slot = firstSlot; i < visible; i++) {
      weights[i] = scale * kernels.dot(queries, offset, keys, slot * headDim, headDim);
      slot = slot + 1 == capacity ? 0 : slot + 1;
    }
    kernels.softmax(weights, 0, visible);
    Arrays.fill(output, offset, offset + headDim, 0);
    for (int i = 0, slot = firstSlot; i < visible; i++) {
      kernels.addScaled(weights[i], values, slot * headDim, output, offset, headDim);
      slot = slot + 1 == capacity ? 0 : slot + 1;
    }
  }
}
