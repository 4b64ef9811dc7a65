package bora.runtime;

import bora.formats.model.ModelConfig;
import bora.runtime.kernel.FloatArray;
import bora.runtime.kernel.Kernels;
import bora.runtime.kernel.WorkerPool;
import java.util.Arrays;

/**
 * Grouped-query attention of a batch over the cache: consecutive query heads share a key/value
 * head, scores are scaled by 1/sqrt(headDim), and a position sees those of its window up to itself
 * (position i sees j where {@code i - j < window}, as transformers has it).
 *
 * <p>Every query head of some tokens, a <em>row</em> each, goes over the keys and values of its
 * head together, run by run of {@link KvCache#RUN_SLOTS} positions, so that memory gives these once
 * for all rows. The softmax is taken along the way: a row keeps the largest score so far, and what
 * it has summed is scaled down when a larger one comes (arXiv:2205.14135, algorithm 1). Runs begin
 * at multiples of their length and a row's sums are its own, so a token's result depends neither on
 * the batch nor on the number of threads.
 */
final class Attention implements WorkerPool.RangeTask {
  /** Tokens whose rows go together. */
  static final int TOKENS_PER_TILE = 8;

  /** Rows that the kernels take at once. */
  private static final int ROWS_PER_STEP = 4;

  private final Kernels kernels;
  private final WorkerPool pool;
  private final KvCache cache;
  private final int headCount;
  private final int kvHeadCount;
  private final int headsPerKvHead;
  private final int headDim;
  private final float scale;

  /** One a thread. */
  private final Rows[] rows;

  private final WorkerPool.RangeTask storing = this::store;

  private int layer;
  private int firstPosition;
  private int tokens;
  private int tiles;
  private FloatArray queries;
  private FloatArray keys;
  private FloatArray values;
  private FloatArray output;

  Attention(Kernels kernels, WorkerPool pool, ModelConfig config, KvCache cache) {
    this.kernels = kernels;
    this.pool = pool;
    this.cache = cache;
    this.headCount = config.headCount();
    this.kvHeadCount = config.kvHeadCount();
    this.headsPerKvHead = headCount / kvHeadCount;
    this.headDim = config.headDim();
    this.scale = (float) (1 / Math.sqrt(headDim));
    this.rows = new Rows[pool.threads()];
    Arrays.setAll(rows, _ -> new Rows());
  }

  /**
   * Stores the keys and values of {@code firstPosition} and those that follow it in the cache, and
   * attends for these.
   *
   * @param queries [tokens, headCount, headDim], rotated
   * @param keys [tokens, kvHeadCount, headDim], rotated
   * @param values [tokens, kvHeadCount, headDim]
   * @param output receives [tokens, headCount, headDim]
   */
  void compute(
      int layer,
      int firstPosition,
      int tokens,
      FloatArray queries,
      FloatArray keys,
      FloatArray values,
      FloatArray output) {
    this.layer = layer;
    this.firstPosition = firstPosition;
    this.tokens = tokens;
    this.queries = queries;
    this.keys = keys;
    this.values = values;
    this.output = output;
    tiles = Math.ceilDiv(tokens, TOKENS_PER_TILE);
    if (tiles > 1) {
      pool.forEachRange(kvHeadCount, storing);
    }
    pool.forEachRange(rows.length, this);
  }

  private void store(int kvHeadStart, int kvHeadEnd) {
    for (int kvHead = kvHeadStart; kvHead < kvHeadEnd; kvHead++) {
      cache.put(kernels, layer, kvHead, firstPosition, tokens, keys, values);
    }
  }

  @Override
  public void run(int start, int end) {
    for (int part = start; part < end; part++) {
      attendPart(part);
    }
  }

  /** One of as many parts of the tiles as there are threads. */
  private void attendPart(int part) {
    long count = (long) kvHeadCount * tiles;
    int end = (int) (count * (part + 1) / rows.length);
    for (int i = (int) (count * part / rows.length); i < end; i++) {
      int kvHead = i / tiles;
      int firstToken = i % tiles * TOKENS_PER_TILE;
      if (tiles == 1) {
        // By the thread that reads them next, so that they stay in its cache.
        store(kvHead, kvHead + 1);
      }
      rows[part].attend(kvHead, firstToken, Math.min(TOKENS_PER_TILE, tokens - firstToken));
    }
  }

  private int firstVisible(int position) {
    return position + 1 - cache.visibleTokens(position);
  }

  /** The rows of one tile, with a thread's memory for them: row r is head r % headsPerKvHead. */
  private final class Rows {
    private static final int STRIDE = KvCache.RUN_SLOTS;

    private final int capacity = TOKENS_PER_TILE * headsPerKvHead;

    /** [row, headDim], scaled. */
    private final FloatArray scaled = FloatArray.ofLength(capacity * headDim);

    /** [row, position of the run]: scores, then their exponentials. */
    private final FloatArray weights = FloatArray.ofLength(capacity * STRIDE);

    /** The largest score so far. */
    private final float[] largest = new float[capacity];

    /** The sum of the exponentials so far. */
    private final float[] totals = new float[capacity];

    /** [row, headDim]: the values so far, weighted by the exponentials. */
    private final FloatArray sums = FloatArray.ofLength(capacity * headDim);

    private KeyValues head;
    private int firstRowPosition;

    void attend(int kvHead, int firstToken, int tokenCount) {
      head = cache.head(layer, kvHead);
      firstRowPosition = firstPosition + firstToken;
      int count = tokenCount * headsPerKvHead;
      load(kvHead, firstToken, tokenCount);
      Arrays.fill(largest, 0, count, Float.NEGATIVE_INFINITY);
      Arrays.fill(totals, 0, count, 0);
      Arrays.fill(sums.values(), 0, count * headDim, 0);
      int end = firstRowPosition + tokenCount;
      int first = firstVisible(firstRowPosition);
      for (int run = first - first % STRIDE; run < end; run += STRIDE) {
        for (int row = 0; row < count; row += ROWS_PER_STEP) {
          attendRun(run, row, Math.min(ROWS_PER_STEP, count - row));
        }
      }
      store(kvHead, firstToken, tokenCount);
    }

    private void load(int kvHead, int firstToken, int tokenCount) {
      // Plain arrays: the quick compiler makes no more of a loop than it says.
      float[] from = queries.values();
      float[] to = scaled.values();
      int width = headsPerKvHead * headDim;
      for (int token = 0; token < tokenCount; token++) {
        int fromOffset = (firstToken + token) * headCount * headDim + kvHead * width;
        int toOffset = token * width;
        for (int i = 0; i < width; i++) {
          to[toOffset + i] = scale * from[fromOffset + i];
        }
      }
    }

    /** Adds what rows see of a run of positions. */
    private void attendRun(int run, int firstRow, int count) {
      int from = Math.max(run, firstVisible(position(firstRow)));
      int to = Math.min(run + STRIDE, position(firstRow + count - 1) + 1);
      if (from >= to) {
        return;
      }
      int firstBlock = from - from % Kernels.KEYS_PER_BLOCK;
      int slot = cache.slotOf(firstBlock);
      int at = firstRow * STRIDE;
      head.scores(
          kernels,
          scaled,
          firstRow * headDim,
          count,
          slot,
          Math.ceilDiv(to - firstBlock, Kernels.KEYS_PER_BLOCK),
          weights,
          at,
          STRIDE);
      for (int row = firstRow; row < firstRow + count; row++) {
        weigh(row, firstBlock, from, to);
      }
      int skipped = from - firstBlock;
      head.addWeighted(
          kernels,
          weights,
          at + skipped,
          STRIDE,
          count,
          slot + skipped,
          to - from,
          sums,
          firstRow * headDim);
    }

    /**
     * Turns a row's scores into weights, zero where it does not see.
     *
     * @param firstBlock the position of the row's first score
     */
    private void weigh(int row, int firstBlock, int from, int to) {
      int offset = row * STRIDE - firstBlock;
      int begin = Math.max(from, firstVisible(position(row)));
      int end = Math.min(to, position(row) + 1);
      if (begin >= end) {
        Arrays.fill(weights.values(), offset + from, offset + to, 0);
        return;
      }
      Arrays.fill(weights.values(), offset + from, offset + begin, 0);
      Arrays.fill(weights.values(), offset + end, offset + to, 0);
      float max = kernels.max(weights, offset + begin, end - begin);
      float total = totals[row];
      if (max > largest[row]) {
        if (total > 0) {
          float factor = (float) Math.exp((double) largest[row] - max);
          total *= factor;
          for (int i = row * headDim; i < (row + 1) * headDim; i++) {
            sums.set(i, sums.get(i) * factor);
          }
        }
        largest[row] = max;
      }
      totals[row] =
          total + kernels.exponentials(weights, offset + begin, end - begin, largest[row]);
    }

    private void store(int kvHead, int firstToken, int tokenCount) {
      float[] from = sums.values();
      float[] to = output.values();
      for (int row = 0; row < tokenCount * headsPerKvHead; row++) {
        int head = kvHead * headsPerKvHead + row % headsPerKvHead;
        int toOffset = ((firstToken + row / headsPerKvHead) * headCount + head) * headDim;
        int fromOffset = row * headDim;
        float total = totals[row];
        for (int i = 0; i < headDim; i++) {
          to[toOffset + i] = from[fromOffset + i] / total;
        }
      }
    }

    private int position(int row) {
      return firstRowPosition + row / headsPerKvHead;
    }
  }
}
