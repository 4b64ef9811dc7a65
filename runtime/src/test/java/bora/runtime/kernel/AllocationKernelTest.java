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
  private static final CachedFloats CACHED =
      new CachedFloats(CacheFormat.FLOAT32, Arena.ofAuto(), 1000);
  private static final CachedFloats FLOAT16 =
      new CachedFloats(CacheFormat.FLOAT16, Arena.ofAuto(), 1000);
  private static final CachedFloats BFLOAT16 =
      new CachedFloats(CacheFormat.BFLOAT16, Arena.ofAuto(), 1000);

  @ParameterizedTest
  @EnumSource(Encoding.class)
  void productsAllocateNothing(Encoding encoding) {
    int rows = 128;
    int columns = 512;
    int panels = encoding.panelCount(rows);
    try (Arena arena = Arena.ofConfined()) {
      EncodedTensor matrix = RandomMatrix.of(arena, encoding, rows, columns, Content.RANDOM, 1);
      FloatArray x = FloatArray.ofLength(15 * columns);
      FloatArray y = FloatArray.ofLength(15 * rows);
      for (Kernels kernels :
          List.of(VECTOR, VECTOR.roundingActivations(), FASTEST, FASTEST.roundingActivations())) {
        for (int tokens : new int[] {1, 15}) {
          TokenActivations activations = new TokenActivations();
          assertAllocatesNothing(
              () -> {
                activations.set(x, 0, columns, tokens);
                kernels.multiply(matrix, activations, y, 0, rows, 0, panels);
              });
        }
      }
    }
  }

  /** The kernels on arrays. */
  enum ElementKernel {
    ADD_SCALED {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.addScaled(0.5f, x, 0, y, 0, 1000);
      }
    },
    RMS_NORM {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.rmsNorm(x, 0, x, 1e-5f, y, 0, 1000);
      }
    },
    SWI_GLU {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.swiGlu(x, 0, x, 0, y, 0, 1000);
      }
    },
    MAX {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        y.set(0, kernels.max(x, 0, 1000));
      }
    },
    EXPONENTIALS {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        x.set(0, kernels.exponentials(y, 1, 999, 1));
      }
    },
    SCORES {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.scores(x, 0, 4, 8, CACHED, 0, 3, y, 0, 96);
      }
    },
    SCORES_OF_FLOAT16 {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.scores(x, 0, 4, 8, FLOAT16, 0, 3, y, 0, 96);
      }
    },
    SCORES_OF_BFLOAT16 {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.scores(x, 0, 4, 8, BFLOAT16, 0, 3, y, 0, 96);
      }
    },
    ADD_WEIGHTED {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.addWeighted(x, 0, 10, 4, CACHED, 0, 10, 100, y, 0);
      }
    },
    ADD_WEIGHTED_FLOAT16 {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.addWeighted(x, 0, 10, 4, FLOAT16, 0, 10, 100, y, 0);
      }
    },
    ADD_WEIGHTED_BFLOAT16 {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.addWeighted(x, 0, 10, 4, BFLOAT16, 0, 10, 100, y, 0);
      }
    },
    ROTATE {
      @Override
      void run(Kernels kernels, FloatArray x, FloatArray y) {
        kernels.rotate(y, 0, 1, x, x, 0, 500);
      }
    };

    abstract void run(Kernels kernels, FloatArray x, FloatArray y);
  }

  @ParameterizedTest
  @EnumSource(ElementKernel.class)
  void elementKernelsAllocateNothing(ElementKernel kernel) {
    FloatArray x = FloatArray.ofLength(1000);
    FloatArray y = FloatArray.ofLength(1000);
    assertAllocatesNothing(() -> kernel.run(VECTOR, x, y));
    assertAllocatesNothing(() -> kernel.run(FASTEST, x, y));
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
