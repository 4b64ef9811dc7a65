package bora.runtime.machine;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A range of addresses for machine code, for as long as the process lives. A page is first
 * inaccessible, then writable, then executable, and never both; what became executable stays as it
 * is.
 */
final class ExecutableMemory {
  private static final int PAGE_BYTES = 4096;

  // Linux on x86-64.
  private static final long PROT_NONE = 0;
  private static final long PROT_READ = 1;
  private static final long PROT_WRITE = 2;
  private static final long PROT_EXEC = 4;
  private static final long MAP_PRIVATE_ANONYMOUS = 0x22;
  private static final long MAP_FAILED = -1;

  private final SystemCalls calls;
  private final MemorySegment mprotect;
  private final long address;
  private final long byteSize;
  private long usedBytes;

  private ExecutableMemory(SystemCalls calls, long address, long byteSize) {
    this.calls = calls;
    this.mprotect = calls.find("mprotect");
    this.address = address;
    this.byteSize = byteSize;
  }

  /**
   * @throws UnsupportedOperationException when the system has no addresses left
   */
  static ExecutableMemory reserve(SystemCalls calls, long byteSize) {
    long address =
        calls.call(calls.find("mmap"), 0, byteSize, PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) {
      throw new UnsupportedOperationException("the system gives no memory for machine code");
    }
    return new ExecutableMemory(calls, address, byteSize);
  }

  /**
   * Makes code executable.
   *
   * @return its address
   * @throws UnsupportedOperationException when the system's policy forbids that, or the range is
   *     full
   */
  synchronized MemorySegment publish(byte[] code) {
    long bytes = Math.ceilDiv(code.length, PAGE_BYTES) * (long) PAGE_BYTES;
    if (bytes > byteSize - usedBytes) {
      throw new UnsupportedOperationException("no room is left for machine code");
    }
    long start = address + usedBytes;
    usedBytes += bytes;
    protect(start, bytes, PROT_READ | PROT_WRITE);
    MemorySegment segment = segment(start, bytes);
    MemorySegment.copy(code, 0, segment, ValueLayout.JAVA_BYTE, 0, code.length);
    protect(start, bytes, PROT_READ | PROT_EXEC);
    return segment;
  }

  @SuppressWarnings("restricted")
  private static MemorySegment segment(long address, long bytes) {
    return MemorySegment.ofAddress(address).reinterpret(bytes);
  }

  private void protect(long start, long bytes, long protection) {
    if ((int) calls.call(mprotect, start, bytes, protection) != 0) {
      throw new UnsupportedOperationException(
          "the system forbids executable memory (mprotect failed; SELinux, a container's policy?)");
    }
  }

  /** The first address of the range. */
  long address() {
    return address;
  }

  long byteSize() {
    return byteSize;
  }
}
