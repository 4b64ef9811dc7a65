package bora.runtime.kernel;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorShape;
import bora.runtime.Activations;
import bora.runtime.kernel.RandomMatrix.Content;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The speed of products on one thread: gigabytes of stored weights a second with one token, beside
 * a plain sum of the same bytes, and billions of operations a second with many. The matrices of a
 * pass are more than caches hold.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 3, time = 2)
public class MultiplyBenchmark {
  private static final int ROWS = 14336;
  private static final int COLUMNS = 4096;
  private static final int TOKENS = 128;

  /**
   * Rows of a prefill; weights are decoded once for all tokens, so a part of a matrix is enough.
   */
  private static final int PREFILL_ROWS = 512;

  private static final long PASS_BYTES = 768L << 20;

  @Param({"F32", "BF16", "Q8", "Q6", "Q5", "Q4", "Q3", "Q2", "T5", "T4", "T3", "T2", "T1"})
  private Encoding encoding;

  /** Of activations; INT8 makes no difference to encodings without integer codes. */
  @Param({"F32", "INT8"})
  private Activations activations;

  private Kernels kernels;
  private final FloatArray x = FloatArray.ofLength(TOKENS * COLUMNS);
  private final TokenActivations inputs = new TokenActivations();
  private final FloatArray y = FloatArray.ofLength(TOKENS * ROWS);
  private EncodedTensor[] matrices;
  private int next;

  /** What JMH prints beside the calls a second. */
  @State(Scope.Thread)
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  public static class Rates {
    /** 10^9 bytes of stored weights a second. */
    public double gigabytes;

    /** 10^9 multiplications and additions a second. */
    public double gigaflops;

    @Setup(Level.Iteration)
    public void reset() {
      gigabytes = 0;
      gigaflops = 0;
    }
  }

  @Setup
  public void fill() {
    kernels =
        activations == Activations.F32
            ? Kernels.fastest()
            : Kernels.fastest().roundingActivations();
    // Each parameter has a process of its own, which ends with its memory.
    Arena arena = Arena.global();
    EncodedTensor panel = RandomMatrix.of(arena, encoding, 64, COLUMNS, Content.RANDOM, 1);
    TensorShape shape = TensorShape.matrix(ROWS, COLUMNS);
    matrices = new EncodedTensor[(int) Math.ceilDiv(PASS_BYTES, encoding.encodedBytes(shape))];
    for (int i = 0; i < matrices.length; i++) {
      MemorySegment bytes = arena.allocate(encoding.encodedBytes(shape), Encoding.ALIGNMENT_BYTES);
      for (long at = 0; at < bytes.byteSize(); at += panel.bytes().byteSize()) {
        MemorySegment.copy(panel.bytes(), 0, bytes, at, panel.bytes().byteSize());
      }
      matrices[i] = new EncodedTensor(encoding, shape, bytes);
    }
    for (int i = 0; i < x.length(); i++) {
      x.set(i, (float) Math.sin(i));
    }
  }

  private EncodedTensor nextMatrix() {
    next = (next + 1) % matrices.length;
    return matrices[next];
  }

  @Benchmark
  public float decode(Rates rates) {
    EncodedTensor matrix = nextMatrix();
    inputs.set(x, 0, COLUMNS, 1);
    kernels.multiply(matrix, inputs, y, 0, ROWS, 0, encoding.panelCount(ROWS));
    rates.gigabytes += matrix.bytes().byteSize() * 1e-9;
    rates.gigaflops += 2e-9 * ROWS * COLUMNS;
    return y.get(0);
  }

  @Benchmark
  public float prefill(Rates rates) {
    EncodedTensor matrix = nextMatrix();
    inputs.set(x, 0, COLUMNS, TOKENS);
    kernels.multiply(matrix, inputs, y, 0, ROWS, 0, encoding.panelCount(PREFILL_ROWS));
    rates.gigaflops += 2e-9 * PREFILL_ROWS * COLUMNS * TOKENS;
    return y.get(0);
  }

  /** The ceiling of {@link #decode}: every byte read once, next to nothing computed. */
  @Benchmark
  public long readAll(Rates rates) {
    MemorySegment bytes = nextMatrix().bytes();
    rates.gigabytes += bytes.byteSize() * 1e-9;
    return MemorySum.of(bytes);
  }
}
