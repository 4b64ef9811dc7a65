package bora.runtime.machine;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.NoSuchElementException;

/**
 * Functions of the C library. All are called as if their arguments and results had 64 bits, which
 * by the calling conventions of Linux is the same, so that one handle, whose making takes
 * milliseconds, serves all.
 */
public final class SystemCalls {
  private static final class Shared {
    private static final SystemCalls INSTANCE = new SystemCalls();
  }

  private final Linker linker = Linker.nativeLinker();
  private final MethodHandle call;

  @SuppressWarnings("restricted")
  private SystemCalls() {
    ValueLayout.OfLong word = ValueLayout.JAVA_LONG;
    call = linker.downcallHandle(FunctionDescriptor.of(word, word, word, word, word, word, word));
  }

  /** Those of the process, made at the first use. */
  public static SystemCalls shared() {
    return Shared.INSTANCE;
  }

  /**
   * @throws NoSuchElementException when the C library has no such function
   */
  public MemorySegment find(String name) {
    return linker
        .defaultLookup()
        .find(name)
        .orElseThrow(() -> new NoSuchElementException("the C library has no " + name));
  }

  long call(MemorySegment function, long a, long b, long c, long d, long e, long f) {
    try {
      return (long) call.invokeExact(function, a, b, c, d, e, f);
    } catch (Throwable t) {
      throw new IllegalStateException("C functions declare no exceptions", t);
    }
  }

  public long call(MemorySegment function, long a, long b, long c) {
    return call(function, a, b, c, 0, 0, 0);
  }
}
