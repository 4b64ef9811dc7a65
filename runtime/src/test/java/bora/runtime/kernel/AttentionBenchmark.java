package bora.runtime.kernel;

import java.lang.foreign.Arena;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The speed of attention's kernels on one thread: four query heads over the keys or values of a
 * context, those of Mistral 7B. A call with 256 positions stays in the second cache, one with 8192
 * goes over eight heads and comes from memory.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 2)
public class AttentionBenchmark {
  private static final int HEAD_DIM = 128;
  private static final int ROWS = 4;
  private static final int RUN = 256;

  @Param({"256", "8192"})
  private int positions;

  @Param private CacheFormat format;

  private final Kernels kernels = Kernels.vector();
  private final FloatArray queries = FloatArray.ofLength(ROWS * HEAD_DIM);
  private final FloatArray scores = FloatArray.ofLength(ROWS * RUN);
  private final FloatArray sums = FloatArray.ofLength(ROWS * HEAD_DIM);
  private CachedFloats[] cached;

  @Setup
  public void fill() {
    int heads = positions == RUN ? 1 : 8;
    Random random = new Random(1);
    cached = new CachedFloats[heads];
    float[] x = new float[positions * HEAD_DIM];
    for (int head = 0; head < heads; head++) {
      for (int i = 0; i < x.length; i++) {
        x[i] = random.nextFloat();
      }
      cached[head] = new CachedFloats(format, Arena.ofAuto(), x.length);
      cached[head].put(0, 1, x, 0, x.length);
    }
    for (int i = 0; i < queries.length(); i++) {
      queries.set(i, random.nextFloat());
    }
  }

  @Benchmark
  public FloatArray scores() {
    for (CachedFloats keys : cached) {
      for (int at = 0; at < positions; at += RUN) {
        kernels.scores(
            queries,
            0,
            ROWS,
            HEAD_DIM,
            keys,
            at * HEAD_DIM,
            RUN / Kernels.KEYS_PER_BLOCK,
            scores,
            0,
            RUN);
      }
    }
    return scores;
  }

  @Benchmark
  public FloatArray addWeighted() {
    for (CachedFloats values : cached) {
      for (int at = 0; at < positions; at += RUN) {
        kernels.addWeighted(scores, 0, RUN, ROWS, values, at * HEAD_DIM, RUN, HEAD_DIM, sums, 0);
      }
    }
    return sums;
  }
}
