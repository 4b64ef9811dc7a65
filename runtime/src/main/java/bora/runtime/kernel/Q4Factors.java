package bora.runtime.kernel;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Rounded activations of some tokens in the form that {@link Q4IntegerKernels} multiply by.
 *
 * <p>A word of codes is {@code W = sum of q[i] 16^i} over eight columns. With {@code W[i] = W >>>
 * 4i} a code is {@code q[i] = W[i] - 16 W[i+1]}, so that no code need be cut out:
 *
 * <pre>sum of q[i] x[i] = sum of W[i] c[i],   c[i] = x[i] - 16 x[i-1],  c[0] = x[0]</pre>
 *
 * <p>All of it modulo 2^16, where of each {@code W[i]} only the lower half matters; and the lower
 * half of {@code W[i+4]} is the upper half of {@code W[i]}. So a word of factors has {@code c[i]}
 * in its lower half and {@code c[i+4]} in its upper, for i = 0 to 3, and a word of codes, seen as
 * two numbers of 16 bits, is shifted thrice and multiplied four times.
 */
final class Q4Factors {
  /** Columns whose sum fits 16 bits, with the codes' middle taken off: 32 * 8 * 127 &lt; 2^15. */
  static final int RUN_COLUMNS = 32;

  /** Runs that share a step. */
  static final int RUNS_PER_BLOCK = ActivationRounding.BLOCK_COLUMNS / RUN_COLUMNS;

  /** What is taken off every code, in the sums of integers; the half that is left comes later. */
  private static final int MIDDLE = 8;

  private static final int BLOCK = ActivationRounding.BLOCK_COLUMNS;

  /** Eight columns make four words: vectors of four, whatever the process's width. */
  private static final VectorSpecies<Integer> FOUR = IntVector.SPECIES_128;

  private static final IntVector HAS_PREDECESSOR =
      IntVector.fromArray(FOUR, new int[] {0, -1, -1, -1}, 0);

  /** Words of eight columns: those of column 8u at {@code token * wordStride + 4u}. */
  int[] words = {};

  int wordStride;

  /** Where the sum of a run starts, in the lower half: at {@code token * runStride + run}. */
  int[] starts = {};

  int runStride;

  /**
   * Of a block, the step and what half a code less in all columns would come to: at {@code token *
   * runStride + 2 * block}.
   */
  float[] scales = {};

  /** Makes room for tokens of so many columns. */
  void resize(int tokens, int columns) {
    int blocks = Math.ceilDiv(columns, BLOCK);
    // No power of two from one token to the next, for the caches.
    wordStride = blocks * BLOCK / 2 + 16;
    runStride = RUNS_PER_BLOCK * blocks;
    int count = Math.multiplyExact(tokens, wordStride);
    if (words.length < count) {
      words = new int[count];
    }
    if (starts.length < tokens * runStride) {
      starts = new int[tokens * runStride];
      scales = new float[tokens * runStride];
    }
  }

  /** Takes the activations of one token, in whole blocks. */
  void put(int token, RoundedActivations x) {
    for (int block = 0; block < x.blocks; block++) {
      int at = token * runStride + RUNS_PER_BLOCK * block;
      int first = RoundedActivations.FIRST + block * BLOCK;
      int sum0 = sumOfRun(x.codes, first);
      int sum1 = sumOfRun(x.codes, first + RUN_COLUMNS);
      starts[at] = -MIDDLE * sum0 & 0xffff;
      starts[at + 1] = -MIDDLE * sum1 & 0xffff;
      scales[at] = x.steps[block];
      scales[at + 1] = 0.5f * x.steps[block] * (sum0 + sum1);
      putWords(x.codes, first, token * wordStride + block * BLOCK / 2);
    }
  }

  private static int sumOfRun(int[] codes, int start) {
    int sum = 0;
    for (int i = start; i < start + RUN_COLUMNS; i++) {
      sum += codes[i];
    }
    return sum;
  }

  private void putWords(int[] codes, int first, int offset) {
    for (int i = 0; i < BLOCK; i += 8) {
      int at = first + i;
      IntVector low = IntVector.fromArray(FOUR, codes, at);
      IntVector lowBefore = IntVector.fromArray(FOUR, codes, at - 1).and(HAS_PREDECESSOR);
      IntVector high = IntVector.fromArray(FOUR, codes, at + 4);
      IntVector highBefore = IntVector.fromArray(FOUR, codes, at + 3);
      low = low.sub(lowBefore.lanewise(VectorOperators.LSHL, 4)).and(0xffff);
      high = high.sub(highBefore.lanewise(VectorOperators.LSHL, 4));
      high.lanewise(VectorOperators.LSHL, 16).or(low).intoArray(words, offset + i / 2);
    }
  }
}
