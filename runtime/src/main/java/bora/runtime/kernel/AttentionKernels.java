package bora.runtime.kernel;

import static bora.runtime.kernel.Lanes.FLOATS;
import static bora.runtime.kernel.Lanes.LITTLE_ENDIAN;
import static bora.runtime.kernel.Lanes.MEMORY;

import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import jdk.incubator.vector.FloatVector;

/**
 * The kernels of attention: four rows (query heads) at a time, so that a key or value that memory
 * has given serves four products. Fewer rows are done as four of which some are the same. Arguments
 * are checked by the caller. Components of two bytes are first widened, those of a call together.
 *
 * <p>A lane is a position in {@code scores} and a component in {@code addWeighted}: nothing is
 * summed across lanes, so the results do not depend on the width of the vectors.
 */
final class AttentionKernels {
  private static final int BLOCK = Kernels.KEYS_PER_BLOCK;

  /** Vectors side by side in a block. */
  private static final int PARTS = BLOCK / Lanes.COUNT;

  private static final long BLOCK_BYTES = (long) BLOCK * Float.BYTES;
  private static final long VECTOR_BYTES = (long) Lanes.COUNT * Float.BYTES;

  private AttentionKernels() {}

  static void scores(
      float[] queries,
      int queriesOffset,
      int rows,
      int headDim,
      CachedFloats keys,
      int keysOffset,
      int blocks,
      float[] scores,
      int scoresOffset,
      int scoresStride) {
    long floats = floats(keys, keysOffset, blocks * BLOCK * headDim);
    int columns = blocks * PARTS;
    for (int row = 0; row < rows; row += 4) {
      int last = rows - 1;
      int r1 = Math.min(row + 1, last);
      int r2 = Math.min(row + 2, last);
      int r3 = Math.min(row + 3, last);
      int q0 = queriesOffset + row * headDim;
      int q1 = queriesOffset + r1 * headDim;
      int q2 = queriesOffset + r2 * headDim;
      int q3 = queriesOffset + r3 * headDim;
      for (int column = 0; column < columns; column += 2) {
        int other = Math.min(column + 1, columns - 1);
        long k0 = floats + columnOffsetBytes(column, headDim);
        long k1 = floats + columnOffsetBytes(other, headDim);
        int s0 = scoresOffset + row * scoresStride;
        int s1 = scoresOffset + r1 * scoresStride;
        int s2 = scoresOffset + r2 * scoresStride;
        int s3 = scoresOffset + r3 * scoresStride;
        int column0 = column * Lanes.COUNT;
        int column1 = other * Lanes.COUNT;
        scores(queries, q0, q1, q2, q3, headDim, k0, k1, scores, s0, s1, s2, s3, column0, column1);
      }
    }
    Reference.reachabilityFence(keys);
  }

  /** Where a vector of slots begins in blocks of so many components a slot. */
  private static long columnOffsetBytes(int column, int headDim) {
    return (long) (column / PARTS) * headDim * BLOCK_BYTES + column % PARTS * VECTOR_BYTES;
  }

  /**
   * The address of components as floats: where they are, or, of those that have two bytes, of this
   * thread's copy, which its next call overwrites.
   */
  private static long floats(CachedFloats cached, int offset, int count) {
    return cached.format() == CacheFormat.FLOAT32
        ? cached.address(offset)
        : HalfFloats.widen(cached, offset, count);
  }

  private static void scores(
      float[] queries,
      int q0,
      int q1,
      int q2,
      int q3,
      int headDim,
      long k0,
      long k1,
      float[] scores,
      int s0,
      int s1,
      int s2,
      int s3,
      int column0,
      int column1) {
    FloatVector a0 = FloatVector.zero(FLOATS);
    FloatVector a1 = a0;
    FloatVector a2 = a0;
    FloatVector a3 = a0;
    FloatVector b0 = a0;
    FloatVector b1 = a0;
    FloatVector b2 = a0;
    FloatVector b3 = a0;
    for (int i = 0; i < headDim; i++) {
      FloatVector a =
          FloatVector.fromMemorySegment(FLOATS, MEMORY, k0 + i * BLOCK_BYTES, LITTLE_ENDIAN);
      FloatVector b =
          FloatVector.fromMemorySegment(FLOATS, MEMORY, k1 + i * BLOCK_BYTES, LITTLE_ENDIAN);
      FloatVector q = FloatVector.broadcast(FLOATS, queries[q0 + i]);
      a0 = a.fma(q, a0);
      b0 = b.fma(q, b0);
      q = FloatVector.broadcast(FLOATS, queries[q1 + i]);
      a1 = a.fma(q, a1);
      b1 = b.fma(q, b1);
      q = FloatVector.broadcast(FLOATS, queries[q2 + i]);
      a2 = a.fma(q, a2);
      b2 = b.fma(q, b2);
      q = FloatVector.broadcast(FLOATS, queries[q3 + i]);
      a3 = a.fma(q, a3);
      b3 = b.fma(q, b3);
    }
    a0.intoArray(scores, s0 + column0);
    b0.intoArray(scores, s0 + column1);
    a1.intoArray(scores, s1 + column0);
    b1.intoArray(scores, s1 + column1);
    a2.intoArray(scores, s2 + column0);
    b2.intoArray(scores, s2 + column1);
    a3.intoArray(scores, s3 + column0);
    b3.intoArray(scores, s3 + column1);
  }

  static void addWeighted(
      float[] weights,
      int weightsOffset,
      int weightsStride,
      int rows,
      CachedFloats values,
      int valuesOffset,
      int count,
      int headDim,
      float[] sums,
      int sumsOffset) {
    int lanes = Lanes.COUNT;
    long floats = floats(values, valuesOffset, count * headDim);
    for (int row = 0; row < rows; row += 4) {
      int last = rows - 1;
      int r1 = Math.min(row + 1, last);
      int r2 = Math.min(row + 2, last);
      int r3 = Math.min(row + 3, last);
      int w0 = weightsOffset + row * weightsStride;
      int w1 = weightsOffset + r1 * weightsStride;
      int w2 = weightsOffset + r2 * weightsStride;
      int w3 = weightsOffset + r3 * weightsStride;
      int y0 = sumsOffset + row * headDim;
      int y1 = sumsOffset + r1 * headDim;
      int y2 = sumsOffset + r2 * headDim;
      int y3 = sumsOffset + r3 * headDim;
      int i = 0;
      for (; i <= headDim - 4 * lanes; i += 4 * lanes) {
        long v = floats + (long) i * Float.BYTES;
        addFour(weights, w0, w1, w2, w3, v, count, headDim, sums, y0 + i, y1 + i, y2 + i, y3 + i);
      }
      for (; i <= headDim - lanes; i += lanes) {
        long v = floats + (long) i * Float.BYTES;
        addOne(weights, w0, w1, w2, w3, v, count, headDim, sums, y0 + i, y1 + i, y2 + i, y3 + i);
      }
      if (i < headDim) {
        for (int r = row; r <= r3; r++) {
          int w = weightsOffset + r * weightsStride;
          addRest(weights, w, floats, count, i, headDim, sums, sumsOffset + r * headDim);
        }
      }
    }
    Reference.reachabilityFence(values);
  }

  /** Four vectors of components. */
  private static void addFour(
      float[] weights,
      int w0,
      int w1,
      int w2,
      int w3,
      long valuesAt,
      int count,
      int headDim,
      float[] sums,
      int y0,
      int y1,
      int y2,
      int y3) {
    int lanes = Lanes.COUNT;
    long valueBytes = (long) headDim * Float.BYTES;
    FloatVector a0 = FloatVector.fromArray(FLOATS, sums, y0);
    FloatVector b0 = FloatVector.fromArray(FLOATS, sums, y0 + lanes);
    FloatVector c0 = FloatVector.fromArray(FLOATS, sums, y0 + 2 * lanes);
    FloatVector d0 = FloatVector.fromArray(FLOATS, sums, y0 + 3 * lanes);
    FloatVector a1 = FloatVector.fromArray(FLOATS, sums, y1);
    FloatVector b1 = FloatVector.fromArray(FLOATS, sums, y1 + lanes);
    FloatVector c1 = FloatVector.fromArray(FLOATS, sums, y1 + 2 * lanes);
    FloatVector d1 = FloatVector.fromArray(FLOATS, sums, y1 + 3 * lanes);
    FloatVector a2 = FloatVector.fromArray(FLOATS, sums, y2);
    FloatVector b2 = FloatVector.fromArray(FLOATS, sums, y2 + lanes);
    FloatVector c2 = FloatVector.fromArray(FLOATS, sums, y2 + 2 * lanes);
    FloatVector d2 = FloatVector.fromArray(FLOATS, sums, y2 + 3 * lanes);
    FloatVector a3 = FloatVector.fromArray(FLOATS, sums, y3);
    FloatVector b3 = FloatVector.fromArray(FLOATS, sums, y3 + lanes);
    FloatVector c3 = FloatVector.fromArray(FLOATS, sums, y3 + 2 * lanes);
    FloatVector d3 = FloatVector.fromArray(FLOATS, sums, y3 + 3 * lanes);
    for (int i = 0; i < count; i++) {
      long v = valuesAt + i * valueBytes;
      FloatVector a = FloatVector.fromMemorySegment(FLOATS, MEMORY, v, LITTLE_ENDIAN);
      FloatVector b =
          FloatVector.fromMemorySegment(FLOATS, MEMORY, v + VECTOR_BYTES, LITTLE_ENDIAN);
      FloatVector c =
          FloatVector.fromMemorySegment(FLOATS, MEMORY, v + 2 * VECTOR_BYTES, LITTLE_ENDIAN);
      FloatVector d =
          FloatVector.fromMemorySegment(FLOATS, MEMORY, v + 3 * VECTOR_BYTES, LITTLE_ENDIAN);
      FloatVector w = FloatVector.broadcast(FLOATS, weights[w0 + i]);
      a0 = a.fma(w, a0);
      b0 = b.fma(w, b0);
      c0 = c.fma(w, c0);
      d0 = d.fma(w, d0);
      w = FloatVector.broadcast(FLOATS, weights[w1 + i]);
      a1 = a.fma(w, a1);
      b1 = b.fma(w, b1);
      c1 = c.fma(w, c1);
      d1 = d.fma(w, d1);
      w = FloatVector.broadcast(FLOATS, weights[w2 + i]);
      a2 = a.fma(w, a2);
      b2 = b.fma(w, b2);
      c2 = c.fma(w, c2);
      d2 = d.fma(w, d2);
      w = FloatVector.broadcast(FLOATS, weights[w3 + i]);
      a3 = a.fma(w, a3);
      b3 = b.fma(w, b3);
      c3 = c.fma(w, c3);
      d3 = d.fma(w, d3);
    }
    a0.intoArray(sums, y0);
    b0.intoArray(sums, y0 + lanes);
    c0.intoArray(sums, y0 + 2 * lanes);
    d0.intoArray(sums, y0 + 3 * lanes);
    a1.intoArray(sums, y1);
    b1.intoArray(sums, y1 + lanes);
    c1.intoArray(sums, y1 + 2 * lanes);
    d1.intoArray(sums, y1 + 3 * lanes);
    a2.intoArray(sums, y2);
    b2.intoArray(sums, y2 + lanes);
    c2.intoArray(sums, y2 + 2 * lanes);
    d2.intoArray(sums, y2 + 3 * lanes);
    a3.intoArray(sums, y3);
    b3.intoArray(sums, y3 + lanes);
    c3.intoArray(sums, y3 + 2 * lanes);
    d3.intoArray(sums, y3 + 3 * lanes);
  }

  /** One vector of components. */
  private static void addOne(
      float[] weights,
      int w0,
      int w1,
      int w2,
      int w3,
      long valuesAt,
      int count,
      int headDim,
      float[] sums,
      int y0,
      int y1,
      int y2,
      int y3) {
    long valueBytes = (long) headDim * Float.BYTES;
    FloatVector a0 = FloatVector.fromArray(FLOATS, sums, y0);
    FloatVector a1 = FloatVector.fromArray(FLOATS, sums, y1);
    FloatVector a2 = FloatVector.fromArray(FLOATS, sums, y2);
    FloatVector a3 = FloatVector.fromArray(FLOATS, sums, y3);
    for (int i = 0; i < count; i++) {
      FloatVector a =
          FloatVector.fromMemorySegment(FLOATS, MEMORY, valuesAt + i * valueBytes, LITTLE_ENDIAN);
      a0 = a.fma(FloatVector.broadcast(FLOATS, weights[w0 + i]), a0);
      a1 = a.fma(FloatVector.broadcast(FLOATS, weights[w1 + i]), a1);
      a2 = a.fma(FloatVector.broadcast(FLOATS, weights[w2 + i]), a2);
      a3 = a.fma(FloatVector.broadcast(FLOATS, weights[w3 + i]), a3);
    }
    a0.intoArray(sums, y0);
    a1.intoArray(sums, y1);
    a2.intoArray(sums, y2);
    a3.intoArray(sums, y3);
  }

  /** What components are left, of one row. */
  private static void addRest(
      float[] weights,
      int weightsAt,
      long valuesAt,
      int count,
      int from,
      int headDim,
      float[] sums,
      int sumsAt) {
    for (int i = 0; i < count; i++) {
      float weight = weights[weightsAt + i];
      for (int c = from; c < headDim; c++) {
        long at = valuesAt + ((long) i * headDim + c) * Float.BYTES;
        float value = MEMORY.get(ValueLayout.JAVA_FLOAT_UNALIGNED, at);
        sums[sumsAt + c] = Math.fma(value, weight, sums[sumsAt + c]);
      }
    }
  }
}
