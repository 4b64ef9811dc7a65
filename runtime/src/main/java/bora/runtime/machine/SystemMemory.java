package bora.runtime.machine;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Locale;

/**
 * Memory that is zero at first and of which, on Linux, a page exists only from the first write to
 * it on: what is asked for and never used costs nothing. Where it is large it comes in huge pages,
 * if the system has them, since walking through it is faster then.
 */
public final class SystemMemory {
  private static final int ALIGNMENT_BYTES = 64;

  /** Below that much a huge page would cost more than it saves. */
  private static final long HUGE_PAGE_BYTES = 2L << 20;

  private static final long LARGE_BYTES = 4 * HUGE_PAGE_BYTES;

  // Linux.
  private static final long PROT_READ_WRITE = 3;
  private static final long MAP_PRIVATE_ANONYMOUS = 0x22;
  private static final long MAP_FAILED = -1;
  private static final long MADV_HUGEPAGE = 14;

  private static final boolean LINUX =
      System.getProperty("os.name").toLowerCase(Locale.ROOT).equals("linux");

  private SystemMemory() {}

  /**
   * @param arena that gives the memory back when it is closed
   * @return as many bytes, zero, beginning with a cache line
   * @throws OutOfMemoryError when the system has no room for so many
   */
  public static MemorySegment allocate(long byteSize, Arena arena) {
    return LINUX && byteSize >= LARGE_BYTES
        ? map(byteSize, arena)
        : arena.allocate(byteSize, ALIGNMENT_BYTES);
  }

  @SuppressWarnings("restricted")
  private static MemorySegment map(long byteSize, Arena arena) {
    SystemCalls calls = SystemCalls.shared();
    // From a huge page on, so that all of it can be such pages.
    long mapped = Math.addExact(byteSize, HUGE_PAGE_BYTES);
    long start =
        calls.call(calls.find("mmap"), 0, mapped, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
      throw new OutOfMemoryError("the system has no room for " + byteSize + " bytes");
    }
    long address = Math.ceilDiv(start, HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
    // Advice: without huge pages it is the same memory.
    calls.call(calls.find("madvise"), address, byteSize, MADV_HUGEPAGE);
    MemorySegment munmap = calls.find("munmap");
    return MemorySegment.ofAddress(address)
        .reinterpret(byteSize, arena, _ -> calls.call(munmap, start, mapped, 0));
  }
}
