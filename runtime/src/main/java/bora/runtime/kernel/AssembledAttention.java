package bora.runtime.kernel;

import bora.runtime.machine.MachineCode;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.SplittableRandom;

/** The kernels of attention in machine code: what each call is given. Arguments are checked. */
final class AssembledAttention {
  private static final int LANES = 16;
  private static final int MAX_ROWS = AttentionCode.MAX_ROWS;

  /** Assembled and tested at the first use, by what the cache holds. */
  private static AssembledAttention float32;

  private static AssembledAttention bfloat16;

  private final boolean ofBFloat16;
  private final MachineCode[] scores = new MachineCode[MAX_ROWS];
  private final MachineCode[] addWeighted = new MachineCode[MAX_ROWS];

  private AssembledAttention(boolean ofBFloat16) {
    this.ofBFloat16 = ofBFloat16;
    Arrays.setAll(scores, i -> AttentionCode.scores(i + 1, ofBFloat16));
    Arrays.setAll(addWeighted, i -> AttentionCode.addWeighted(i + 1, ofBFloat16));
  }

  /**
   * For keys or values of one kind, the same at every call.
   *
   * @throws IllegalStateException when the code does not compute what it should
   */
  static AssembledAttention of(CachedFloats cached) {
    AssembledAttention attention = cached.areBFloat16() ? bfloat16 : float32;
    return attention != null ? attention : make(cached.areBFloat16());
  }

  private static synchronized AssembledAttention make(boolean ofBFloat16) {
    AssembledAttention made = ofBFloat16 ? bfloat16 : float32;
    if (made == null) {
      made = new AssembledAttention(ofBFloat16);
      made.test();
      if (ofBFloat16) {
        bfloat16 = made;
      } else {
        float32 = made;
      }
    }
    return made;
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
    scratch.setParameter(AttentionCode.CACHE_OFFSET, bytes(keysOffset));
    scratch.setParameter(AttentionCode.RESULTS_STRIDE, bytes(scoresStride));
    scratch.setParameter(AttentionCode.KEY_WORDS, keys.words(headDim));
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
    int words = values.words(headDim);
    int chunkWords = AttentionCode.chunkVectors(ofBFloat16) * LANES;
    int rest = words % chunkWords;
    scratch.setParameter(AttentionCode.ROWS_STRIDE, bytes(weightsStride));
    scratch.setParameter(AttentionCode.CACHE_OFFSET, bytes(valuesOffset));
    scratch.setParameter(AttentionCode.VALUE_BYTES, bytes(words));
    scratch.setParameter(AttentionCode.COUNT, count);
    scratch.setParameter(AttentionCode.REST, rest);
    for (int vector = 0; vector * LANES < chunkWords; vector++) {
      int lanes = Math.clamp(rest - vector * LANES, 0, LANES);
      scratch.setParameter(AttentionCode.REST_MASKS + Long.BYTES * vector, (1 << lanes) - 1);
    }
    for (int row = 0; row < rows; row += MAX_ROWS) {
      scratch.setParameter(AttentionCode.ROWS_OFFSET, bytes(weightsOffset + row * weightsStride));
      scratch.setParameter(AttentionCode.RESULTS_OFFSET, bytes(sumsOffset + row * headDim));
      // The code counts them down.
      scratch.setParameter(AttentionCode.CHUNKS, words / chunkWords);
      addWeighted[Math.min(MAX_ROWS, rows - row) - 1].run(
          scratch.parameters, weights.segment(), values.segment(), sums.segment());
    }
  }

  private static long bytes(int words) {
    return (long) words * Float.BYTES;
  }

  /** Holds each function against its definition: a whole chunk of components, and a rest. */
  private void test() {
    int words = AttentionCode.chunkVectors(ofBFloat16) * LANES + LANES + 3;
    int headDim = ofBFloat16 ? 2 * words : words;
    int keys = Kernels.KEYS_PER_BLOCK;
    SplittableRandom random = new SplittableRandom(1);
    Arena memory = Arena.ofAuto();
    CachedFloats cached =
        ofBFloat16
            ? CachedFloats.bfloat16(memory, keys * words)
            : CachedFloats.float32(memory, keys * words);
    cached.put(0, 1, random(random, keys * headDim).values(), 0, keys * headDim);
    for (int rows = 1; rows <= MAX_ROWS; rows++) {
      FloatArray x = random(random, rows * Math.max(keys, headDim));
      FloatArray found = FloatArray.ofLength(rows * keys);
      scores(x, 0, rows, headDim, cached, 0, 1, found, 0, keys);
      int row = rows - 1;
      for (int key = 0; key < keys; key += 7) {
        float sum = 0;
        for (int word = 0; word < words; word++) {
          int at = word * keys + key;
          float first = x.get(row * headDim + word);
          sum = Math.fma(cached.get(at, false), first, sum);
          if (ofBFloat16) {
            sum = Math.fma(cached.get(at, true), x.get(row * headDim + words + word), sum);
          }
        }
        AssembledSelfTest.check("attention", sum, found.get(row * keys + key));
      }
      FloatArray sums = x.copy();
      addWeighted(x, 0, keys, rows, cached, 0, keys, headDim, sums, 0);
      for (int i = 0; i < headDim; i += 5) {
        float sum = x.get(row * headDim + i);
        for (int s = 0; s < keys; s++) {
          int at = s * words + i % words;
          sum = Math.fma(cached.get(at, i >= words), x.get(row * keys + s), sum);
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
