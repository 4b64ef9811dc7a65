package bora.runtime.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Splitting, waiting and failing of loops. A hang is the failure to expect, hence the time limit.
 */
@Timeout(60)
class WorkerPoolTest {
  @ParameterizedTest
  @CsvSource({"1, 0", "1, 5", "2, 0", "2, 1", "2, 2", "2, 7", "3, 2", "3, 100", "5, 13"})
  void doesEachElementOnce(int threads, int count) {
    try (WorkerPool pool = new WorkerPool(threads)) {
      AtomicIntegerArray visits = new AtomicIntegerArray(count);
      AtomicInteger ranges = new AtomicInteger();
      pool.forEachRange(
          count,
          (start, end) -> {
            assertTrue(start < end);
            ranges.incrementAndGet();
            for (int i = start; i < end; i++) {
              visits.incrementAndGet(i);
            }
          });
      for (int i = 0; i < count; i++) {
        assertEquals(1, visits.get(i));
      }
      assertEquals(Math.min(threads, count), ranges.get());
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 0", "1, 5", "2, 0", "2, 1", "2, 7", "2, 8", "2, 500", "3, 64", "5, 13"})
  void doesEachElementOfASharedLoopOnce(int threads, int count) {
    try (WorkerPool pool = new WorkerPool(threads)) {
      AtomicIntegerArray visits = new AtomicIntegerArray(count);
      for (int loop = 1; loop <= 100; loop++) {
        pool.forEachRangeShared(
            count,
            (start, end) -> {
              assertTrue(start < end);
              for (int i = start; i < end; i++) {
                visits.incrementAndGet(i);
              }
            });
        for (int i = 0; i < count; i++) {
          assertEquals(loop, visits.get(i));
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void doesWhatIsSharedWhileAThreadIsHeldUp(boolean callerIsHeldUp) {
    int count = 64;
    try (WorkerPool pool = new WorkerPool(2)) {
      Thread caller = Thread.currentThread();
      AtomicInteger elements = new AtomicInteger();
      pool.forEachRangeShared(
          count,
          (start, end) -> {
            if (start == (callerIsHeldUp ? 0 : count * 7 / 8 / 2)) {
              // Until all is done but this range.
              while (elements.get() < count - (end - start)) {
                assertEquals(callerIsHeldUp, Thread.currentThread().equals(caller));
                Thread.onSpinWait();
              }
            }
            elements.addAndGet(end - start);
          });
      assertEquals(count, elements.get());
    }
  }

  @Test
  void otherThreadsDoWhatIsSharedWhenOneThrows() {
    int count = 64;
    try (WorkerPool pool = new WorkerPool(2)) {
      IllegalArgumentException thrown = new IllegalArgumentException("the first range");
      AtomicInteger elements = new AtomicInteger();
      AtomicInteger failed = new AtomicInteger();
      Exception caught =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  pool.forEachRangeShared(
                      count,
                      (start, end) -> {
                        if (start == 0) {
                          failed.set(end);
                          throw thrown;
                        }
                        elements.addAndGet(end - start);
                      }));
      assertSame(thrown, caught);
      assertEquals(count - failed.get(), elements.get());
    }
  }

  @Test
  void seesTheWritesOfEveryLoopInTheNext() {
    int count = 64;
    long[] values = new long[count];
    try (WorkerPool pool = new WorkerPool(3)) {
      for (int loop = 0; loop < 5_000; loop++) {
        // Each loop reads what another thread may have written in the last one.
        int shift = loop % count;
        long[] last = values.clone();
        pool.forEachRange(
            count,
            (start, end) -> {
              for (int i = start; i < end; i++) {
                values[i] = last[(i + shift) % count] + 1;
              }
            });
      }
    }
    for (long value : values) {
      assertEquals(5_000, value);
    }
  }

  @Test
  void wakesThreadsThatWentToSleep() {
    try (WorkerPool pool = new WorkerPool(2)) {
      for (int loop = 0; loop < 50; loop++) {
        LockSupport.parkNanos(2_000_000);
        CyclicBarrier meeting = new CyclicBarrier(2);
        AtomicInteger sum = new AtomicInteger();
        pool.forEachRange(
            10,
            (start, end) -> {
              meet(meeting);
              sum.addAndGet(end - start);
            });
        assertEquals(10, sum.get());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void throwsWhatARangeThrewAndGoesOn(int failing) {
    try (WorkerPool pool = new WorkerPool(3)) {
      IllegalArgumentException thrown = new IllegalArgumentException("range " + failing);
      AtomicInteger finished = new AtomicInteger();
      Exception caught =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  pool.forEachRange(
                      3,
                      (start, end) -> {
                        if (start == failing) {
                          throw thrown;
                        }
                        finished.incrementAndGet();
                      }));
      assertSame(thrown, caught);
      assertEquals(2, finished.get());
      pool.forEachRange(3, (start, end) -> finished.addAndGet(end - start));
      assertEquals(5, finished.get());
    }
  }

  @Test
  void keepsTheFailuresOfOtherRangesAsSuppressed() {
    try (WorkerPool pool = new WorkerPool(2)) {
      Error caught =
          assertThrows(
              AssertionError.class,
              () ->
                  pool.forEachRange(
                      2,
                      (start, end) -> {
                        throw new AssertionError("range " + start);
                      }));
      assertEquals("range 0", caught.getMessage());
      assertEquals("range 1", caught.getSuppressed()[0].getMessage());
    }
  }

  @Test
  void closeEndsTheThreads() {
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    WorkerPool pool = new WorkerPool(4);
    CyclicBarrier meeting = new CyclicBarrier(4);
    pool.forEachRange(
        4,
        (start, end) -> {
          meet(meeting);
          threads.add(Thread.currentThread());
        });
    assertEquals(4, threads.size());
    pool.close();
    pool.close();
    threads.remove(Thread.currentThread());
    for (Thread thread : threads) {
      assertFalse(thread.isAlive());
    }
    assertThrows(IllegalStateException.class, () -> pool.forEachRange(4, (start, end) -> {}));
  }

  /** Ranges that wait for each other are done by a thread each. */
  private static void meet(CyclicBarrier meeting) {
    try {
      meeting.await(10, TimeUnit.SECONDS);
    } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void refusesToHaveNoThread() {
    assertThrows(IllegalArgumentException.class, () -> new WorkerPool(0));
  }
}
