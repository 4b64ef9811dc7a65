package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.encoding.EncodedTensor;
import bora.formats.encoding.Encoding;
import bora.runtime.kernel.RandomMatrix.Content;
import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Warm kernels allocate nothing. If they do, the compiler has given up inlining and made vectors
 * into objects, and they are twenty times slower; see {@link Q4Kernels}.
 */
class AllocationKernelTest {
  /**
   * Calls that are measured at once; a vector object in a loop would be thousands of bytes a call.
   */
  private static final int CALLS = 50;

  /**
   * Rounds of calls after which every kernel is compiled. The tests of this module run with
   * compilation in the foreground, so that it depends on no clock.
   */
  private static final int ROUNDS = 600;

  private static final Kernels VECTOR = Kernels.vector();
  private static final Kernels FASTEST = Kernels.fastest();
  private static final int[] PAIRS = new int[1000];

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void productsAllocateNothing(Encoding encoding) {
    int rows = 128;
    int columns = 512;
    int panels = encoding.panelCount(rows);
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor matrix = RandomMatrix.of(arena, encoding, rows, columns, Content.RANDOM, 1);
      float[] x = new float[15 * columns];
      float[] y = new float[15 * rows];
      for (Kernels kernels :
          List.of(VECTOR, VECTOR.roundingActivations(), FASTEST, FASTEST.roundingActivations())) {
        assertAllocatesNothing(
            () -> kernels.multiply(matrix, x, 0, columns, 1, y, 0, rows, 0, panels));
        assertAllocatesNothing(
            () -> kernels.multiply(matrix, x, 0, columns, 15, y, 0, rows, 0, panels));
      }
    }
  }

  /** The kernels on arrays. */
  enum ElementKernel {
    ADD_SCALED {
      @Override
      void run(float[] x, float[] y) {
        VECTOR.addScaled(0.5f, x, 0, y, 0, 1000);
      }
    },
    RMS_NORM {
      @Override
      void run(float[] x, float[] y) {
        VECTOR.rmsNorm(x, 0, x, 1e-5f, y, 0, 1000);
      }
    },
    SWI_GLU {
      @Override
      void run(float[] x, float[] y) {
        VECTOR.swiGlu(x, 0, x, 0, y, 0, 1000);
      }
    },
    MAX {
      @Override
      void run(float[] x, float[] y) {
        y[0] = VECTOR.max(x, 0, 1000);
      }
    },
    EXPONENTIALS {
      @Override
      void run(float[] x, float[] y) {
        x[0] = VECTOR.exponentials(y, 1, 999, 1);
      }
    },
    SCORES {
      @Override
      void run(float[] x, float[] y) {
        VECTOR.scores(x, 0, 4, 8, x, 0, 3, y, 0, 96);
      }
    },
    SCORES_OF_BFLOAT16 {
      @Override
      void run(float[] x, float[] y) {
        VECTOR.scores(x, 0, 4, 16, PAIRS, 0, 3, y, 0, 96);
      }
    },
    ADD_WEIGHTED {
      @Override
      void run(float[] x, float[] y) {
        VECTOR.addWeighted(x, 0, 10, 4, x, 0, 10, 100, y, 0);
      }
    },
    ADD_WEIGHTED_BFLOAT16 {
      @Override
      void run(float[] x, float[] y) {
        VECTOR.addWeighted(x, 0, 10, 4, PAIRS, 0, 10, 100, y, 0);
      }
    },
    ROTATE {
      @Override
      void run(float[] x, float[] y) {
        VECTOR.rotate(y, 0, x, x, 0, 500);
      }
    };

    abstract void run(float[] x, float[] y);
  }

  @ParameterizedTest
  @EnumSource(ElementKernel.class)
  void elementKernelsAllocateNothing(ElementKernel kernel) {
    float[] x = new float[1000];
    float[] y = new float[1000];
    assertAllocatesNothing(() -> kernel.run(x, y));
  }

  private static void assertAllocatesNothing(Runnable call) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long allocatedBytes = 1;
    for (int round = 0; round < ROUNDS && allocatedBytes > 0; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < CALLS; i++) {
        call.run();
      }
      allocatedBytes = threads.getCurrentThreadAllocatedBytes() - before;
    }
    assertEquals(
        0, allocatedBytes, "bytes in " + CALLS + " calls, after " + ROUNDS + " times that");
  }
}
