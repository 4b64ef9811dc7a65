package bora.quantizer;

import bora.formats.encoding.Encoding;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Weights a second and thread: the operations counted are weights. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 4, time = 1)
@Fork(1)
public class TensorEncoderBenchmark {
  private static final int ROWS = 512;
  private static final int COLUMNS = 4096;

  @Param({"F32", "BF16", "Q8", "Q6", "Q5", "Q4", "Q3", "Q2"})
  private Encoding encoding;

  private final TensorEncoder encoder = new TensorEncoder();
  private final SampledMatrix weights = TestWeights.gaussian(ROWS, COLUMNS, 0.02, 1);
  private long bytes;

  @Setup
  public void forget() {
    bytes = 0;
  }

  @Benchmark
  @OperationsPerInvocation(ROWS * COLUMNS)
  public long encode() throws IOException {
    encoder.encode(weights, encoding, (ByteBuffer chunk) -> bytes += chunk.remaining());
    return bytes;
  }
}
