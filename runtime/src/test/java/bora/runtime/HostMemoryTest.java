package bora.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.model.ModelConfig;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The prediction follows what a session really takes. */
final class HostMemoryTest {
  private static final ThreadMXBean ALLOCATED = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  static Stream<Arguments> sessions() {
    return Stream.of(
        Arguments.of(RandomModel.DENSE, 600, KvCacheType.F32),
        Arguments.of(RandomModel.DENSE, 600, KvCacheType.F16),
        Arguments.of(RandomModel.DENSE, 9000, KvCacheType.F32),
        Arguments.of(RandomModel.DENSE_WINDOWED_TIED, 9000, KvCacheType.F32),
        Arguments.of(RandomModel.EXPERTS, 600, KvCacheType.F32),
        Arguments.of(RandomModel.EXPERTS_WINDOWED, 9000, KvCacheType.BF16));
  }

  @ParameterizedTest
  @MethodSource("sessions")
  void scratchIsWhatASessionAllocates(
      ModelConfig config, int contextTokens, KvCacheType cacheType) {
    HostMemory predicted = HostMemory.predict(config, 0, cacheType, contextTokens, 2, 0);
    try (Model model = RandomModel.of(config).open(KernelChoice.SCALAR)) {
      model.newSession(1, cacheType);
      long before = ALLOCATED.getCurrentThreadAllocatedBytes();
      Session session = model.newSession(contextTokens, cacheType);
      long allocated = ALLOCATED.getCurrentThreadAllocatedBytes() - before;
      assertEquals(contextTokens, session.contextTokens());
      // The kernels copy activations only once something runs.
      long later = 4L * 2 * HostMemory.COPIED_TOKENS * config.intermediateSize();
      long expected = predicted.scratch() - later;
      assertEquals(expected, allocated, 0.02 * expected);
    }
  }

  @ParameterizedTest
  @MethodSource("sessions")
  void cacheIsAllKeysAndValues(ModelConfig config, int contextTokens, KvCacheType cacheType) {
    int maxBatch = Math.min(Session.MAX_BATCH, contextTokens);
    HostMemory predicted = HostMemory.predict(config, 0, cacheType, contextTokens, 2, 0);
    try (KvCache cache =
        new KvCache(config, cacheType, config.layerCount(), contextTokens, maxBatch)) {
      assertEquals(cache.byteSize(), predicted.kvCache());
    }
  }

  @Test
  void everyPartIsInTheTotal() {
    HostMemory nothing = HostMemory.predict(RandomModel.DENSE, 0, KvCacheType.F32, 100, 1, 0);
    HostMemory all = HostMemory.predict(RandomModel.DENSE, 7_000, KvCacheType.F32, 100, 1, 500);
    assertEquals(7_500, all.total() - nothing.total());
    assertEquals(nothing.kvCache() + nothing.scratch() + nothing.virtualMachine(), nothing.total());
  }
}
