package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A decoded token leaves next to nothing on the heap, of whatever thread: eden's pages are faults
 * until it has been walked through once, which tiny models feel.
 */
final class DecodeAllocationTest {
  /** What {@link StrictMath} makes for six sines and cosines, and a view of an embedding's row. */
  private static final long MAX_BYTES = 500;

  private static final int TOKENS = 100;

  /** Rounds after which everything is compiled: in the foreground, so that it is after no time. */
  private static final int ROUNDS = 100;

  @ParameterizedTest
  @EnumSource(
      value = KernelChoice.class,
      names = {"AUTO", "VECTOR"})
  void aWarmTokenLeavesNextToNothing(KernelChoice kernels) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Model model = RandomModel.ofMixedEncodings().open(kernels);
        Session session = model.newSession(TOKENS)) {
      long bytes = Long.MAX_VALUE;
      for (int round = 0; round < ROUNDS && bytes > MAX_BYTES; round++) {
        session.reset();
        long before = threads.getTotalThreadAllocatedBytes();
        for (int i = 0; i < TOKENS; i++) {
          session.decode(i % model.config().vocabSize(), ForwardObserver.NONE);
        }
        bytes = (threads.getTotalThreadAllocatedBytes() - before) / TOKENS;
      }
      assertTrue(bytes <= MAX_BYTES, bytes + " bytes a token after " + ROUNDS * TOKENS + " tokens");
    }
  }
}
