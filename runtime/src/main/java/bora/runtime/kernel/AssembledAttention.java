package bora.runtime.kernel;

import bora.runtime.machine.MachineCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;

/** The kernels of attention in machine code: what each call is given. Arguments are checked. */
final class AssembledAttention {
  private static final int LANES = 16;
  private static final int CHUNK = AttentionCode.CHUNK_VECTORS * LANES;
  private static final int MAX_ROWS = AttentionCode.MAX_ROWS;

  /** Assembled and tested at the first use. */
  private static final AssembledAttention[] OF_FORMAT =
      new AssembledAttention[CacheFormat.values().length];

  private final CacheFormat format;
  private final MachineCode[] scores = new MachineCode[MAX_ROWS];
  private final MachineCode[] addWeighted = new MachineCode[MAX_ROWS];
  private final MachineCode store;

  private AssembledAttention(CacheFormat format) {
    this.format = format;
    Arrays.setAll(scores, i -> AttentionCode.scores(i + 1, format));
    Arrays.setAll(addWeighted, i -> AttentionCode.addWeighted(i + 1, format));
    store = StoringCode.of(format);
  }

  /**
   * For keys or values of one format, the same at every call.
   *
   * @throws IllegalStateException when the code does not compute what it should
   */
  static AssembledAttention of(CachedFloats cached) {
    AssembledAttention attention = OF_FORMAT[cached.format().ordinal()];
    return attention != null ? attention : make(cached.format());
  }

  private static synchronized AssembledAttention make(CacheFormat format) {
    if (OF_FORMAT[format.ordinal()] == null) {
      AssembledAttention made = new AssembledAttention(format);
      made.test();
      OF_FORMAT[format.ordinal()] = made;
    }
    return OF_FORMAT[format.ordinal()];
  }

  /** {@link Kernels#scores}. */
  void scores(
      FloatArray queries,
      int queriesOffset,
      int rows,
      int headDim,
      CachedFloats keys,
      int keysOffset,
      int blocks,
      FloatArray scores,
      int scoresOffset,
      int scoresStride) {
    if (blocks == 0) {
      return;
    }
    AssembledScratch scratch = AssembledScratch.ofThread();
    scratch.setParameter(AttentionCode.ROWS_STRIDE, bytes(headDim));
    scratch.setParameter(AttentionCode.CACHE_OFFSET, (long) keysOffset * format.bytes());
    scratch.setParameter(AttentionCode.RESULTS_STRIDE, bytes(scoresStride));
    scratch.setParameter(AttentionCode.KEY_COMPONENTS, headDim);
    scratch.setParameter(AttentionCode.COUNT, blocks);
    for (int row = 0; row < rows; row += MAX_ROWS) {
      scratch.setParameter(AttentionCode.ROWS_OFFSET, bytes(queriesOffset + row * headDim));
      scratch.setParameter(AttentionCode.RESULTS_OFFSET, bytes(scoresOffset + row * scoresStride));
      this.scores[Math.min(MAX_ROWS, rows - row) - 1].run(
          scratch.parameters, queries.segment(), keys.segment(), scores.segment());
    }
  }

  /** {@link Kernels#addWeighted}. */
  void addWeighted(
      FloatArray weights,
      int weightsOffset,
      int weightsStride,
      int rows,
      CachedFloats values,
      int valuesOffset,
      int count,
      int headDim,
      FloatArray sums,
      int sumsOffset) {
    if (count == 0) {
      return;
    }
    AssembledScratch scratch = AssembledScratch.ofThread();
    int rest = headDim % CHUNK;
    scratch.setParameter(AttentionCode.ROWS_STRIDE, bytes(weightsStride));
    scratch.setParameter(AttentionCode.CACHE_OFFSET, (long) valuesOffset * format.bytes());
    scratch.setParameter(AttentionCode.VALUE_BYTES, (long) headDim * format.bytes());
    scratch.setParameter(AttentionCode.RESULTS_STRIDE, bytes(headDim));
    scratch.setParameter(AttentionCode.COUNT, count);
    scratch.setParameter(AttentionCode.REST, rest);
    for (int vector = 0; vector < AttentionCode.CHUNK_VECTORS; vector++) {
      int lanes = Math.clamp(rest - vector * LANES, 0, LANES);
      scratch.setParameter(AttentionCode.REST_MASKS + Long.BYTES * vector, (1 << lanes) - 1);
    }
    for (int row = 0; row < rows; row += MAX_ROWS) {
      scratch.setParameter(AttentionCode.ROWS_OFFSET, bytes(weightsOffset + row * weightsStride));
      scratch.setParameter(AttentionCode.RESULTS_OFFSET, bytes(sumsOffset + row * headDim));
      // The code counts them down.
      scratch.setParameter(AttentionCode.CHUNKS, headDim / CHUNK);
      addWeighted[Math.min(MAX_ROWS, rows - row) - 1].run(
          scratch.parameters, weights.segment(), values.segment(), sums.segment());
    }
  }

  /** {@link Kernels#store}. */
  void store(FloatArray x, int xOffset, int count, CachedFloats to, int index, int stride) {
    AssembledScratch scratch = AssembledScratch.ofThread();
    int rest = count % LANES;
    scratch.setParameter(StoringCode.X_OFFSET, bytes(xOffset));
    scratch.setParameter(StoringCode.CACHE_OFFSET, (long) index * format.bytes());
    scratch.setParameter(StoringCode.STRIDE, (long) stride * format.bytes());
    scratch.setParameter(StoringCode.VECTORS, count / LANES);
    scratch.setParameter(StoringCode.REST, rest);
    scratch.setParameter(StoringCode.REST_MASK, (1 << rest) - 1);
    store.run(scratch.parameters, x.segment(), to.segment(), MemorySegment.NULL);
  }

  private static long bytes(int floats) {
    return (long) floats * Float.BYTES;
  }

  /** Holds each function against its definition: a whole chunk of components, and a rest. */
  private void test() {
    int headDim = CHUNK + LANES + 3;
    int keys = Kernels.KEYS_PER_BLOCK;
    SplittableRandom random = new SplittableRandom(1);
    Arena memory = Arena.ofAuto();
    CachedFloats cached = new CachedFloats(format, memory, keys * headDim);
    FloatArray stored = random(random, keys * headDim);
    store(stored, 0, stored.length(), cached, 0, 1);
    CachedFloats expected = new CachedFloats(format, memory, stored.length());
    expected.put(0, 1, stored.values(), 0, stored.length());
    for (int i = 0; i < stored.length(); i += 5) {
      AssembledSelfTest.check("attention", expected.get(i), cached.get(i));
    }
    for (int rows = 1; rows <= MAX_ROWS; rows++) {
      FloatArray x = random(random, rows * Math.max(keys, headDim));
      FloatArray found = FloatArray.ofLength(rows * keys);
      scores(x, 0, rows, headDim, cached, 0, 1, found, 0, keys);
      int row = rows - 1;
      for (int key = 0; key < keys; key += 7) {
        float sum = 0;
        for (int i = 0; i < headDim; i++) {
          sum = Math.fma(cached.get(i * keys + key), x.get(row * headDim + i), sum);
        }
        AssembledSelfTest.check("attention", sum, found.get(row * keys + key));
      }
      FloatArray sums = x.copy();
      addWeighted(x, 0, keys, rows, cached, 0, keys, headDim, sums, 0);
      for (int i = 0; i < headDim; i += 5) {
        float sum = x.get(row * headDim + i);
        for (int s = 0; s < keys; s++) {
          sum = Math.fma(cached.get(s * headDim + i), x.get(row * keys + s), sum);
        }
        AssembledSelfTest.check("attention", sum, sums.get(row * headDim + i));
      }
    }
  }

  private static FloatArray random(SplittableRandom random, int length) {
    FloatArray values = FloatArray.ofLength(length);
    for (int i = 0; i < length; i++) {
      values.set(i, (float) (2 * random.nextDouble() - 1));
    }
    return values;
  }
}
