package bora.quantizer;

import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.Encoding;
import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A warm encoder allocates next to nothing. If it does, the compiler has given up inlining and made
 * vectors into objects: the loops are many times slower then and fill the heap.
 */
class EncoderAllocationTest {
  private static final int ROWS = 64;
  private static final int COLUMNS = 4096;

  /** Objects for vectors would be hundreds of times as many. */
  private static final long FEW_BYTES = 100_000;

  /** So many that every loop is compiled long before, whatever else the machine does. */
  private static final int ROUNDS = 2000;

  @ParameterizedTest
  @EnumSource(names = {"Q2", "Q3", "Q4", "Q5", "Q6", "Q8"})
  void vectorsBecomeNoObjects(Encoding encoding) throws IOException {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    SampledMatrix weights = TestWeights.gaussian(ROWS, COLUMNS, 0.02, 3);
    TensorEncoder encoder = new TensorEncoder();
    long allocated = Long.MAX_VALUE;
    for (int round = 0; round < ROUNDS && allocated > FEW_BYTES; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      encoder.encode(weights, encoding, (ByteBuffer _) -> {});
      allocated = threads.getCurrentThreadAllocatedBytes() - before;
    }
    assertTrue(allocated <= FEW_BYTES, allocated + " bytes a call");
  }
}
