package bora.runtime;

import bora.runtime.kernel.ThreadEnd;
import bora.runtime.machine.SystemCalls;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Maps the pages of weights into the process ahead of their first use, in the background: all at
 * once that takes a twentieth of what the page faults would, one after the other. On systems
 * without Linux's {@code MADV_POPULATE_READ} (kernel 5.14), and where memory has no room for all
 * weights, nothing happens but the faults.
 */
final class PagePopulation implements AutoCloseable {
  private static final long MADV_POPULATE_READ = 22;
  private static final long PAGE_BYTES = 4096;

  /** So much that a call costs nothing, and so little that closing need not wait long. */
  private static final long STEP_BYTES = 16L << 20;

  private final Thread thread;
  private volatile boolean closed;

  private PagePopulation(List<MemorySegment> weights) {
    thread = Thread.ofPlatform().daemon().name("bora-populate").unstarted(() -> populate(weights));
  }

  /**
   * @param weights native memory, open until this is closed
   */
  static PagePopulation start(List<MemorySegment> weights) {
    PagePopulation population = new PagePopulation(weights);
    population.thread.start();
    return population;
  }

  private void populate(List<MemorySegment> weights) {
    long allBytes = weights.stream().mapToLong(MemorySegment::byteSize).sum();
    if (allBytes > availableBytes()) {
      return;
    }
    SystemCalls calls = SystemCalls.shared();
    MemorySegment madvise = calls.find("madvise");
    for (MemorySegment tensor : weights) {
      long end = tensor.address() + tensor.byteSize();
      for (long at = tensor.address() & -PAGE_BYTES; at < end; at += STEP_BYTES) {
        // An older kernel does not know the advice.
        long bytes = Math.min(STEP_BYTES, end - at);
        if (closed || (int) calls.call(madvise, at, bytes, MADV_POPULATE_READ) != 0) {
          return;
        }
      }
    }
  }

  /** What Linux says can be had without swapping, page cache included; 0 elsewhere. */
  private static long availableBytes() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/meminfo"))) {
      return lines
          .filter(line -> line.startsWith("MemAvailable:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
          .findFirst()
          .orElse(0);
    } catch (IOException | UncheckedIOException e) {
      return 0;
    }
  }

  /** Ends it, whatever has been populated by then. */
  @Override
  public void close() {
    closed = true;
    await();
  }

  /** Returns when it has ended. */
  void await() {
    ThreadEnd.await(thread);
  }
}
