package bora.runtime.kernel;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * A fixed number of threads that split loops: the calling thread and {@code threads - 1} daemon
 * threads. A forward pass has hundreds of short parallel loops a token, so the threads spin for a
 * while between loops before they park: a loop costs some hundred nanoseconds, not the microseconds
 * of an executor. A part that its thread has not begun when the caller is done with its own, since
 * it sleeps or the system gives its processor to others, is done by the caller.
 *
 * <p>One thread at a time may use a pool; it need not always be the same. A task must not start a
 * loop on the pool that runs it.
 */
public final class WorkerPool implements AutoCloseable {
  /** A part of a loop. */
  @FunctionalInterface
  public interface RangeTask {
    /** Does the elements {@code [start, end)}; never called with an empty range. */
    void run(int start, int end);
  }

  /** Spins before parking: some tens of microseconds, more than most gaps within a forward pass. */
  private static final int SPINS_BEFORE_PARK = 2_000;

  /**
   * One in so many elements is no thread's own in a {@linkplain #forEachRangeShared shared} loop.
   */
  private static final int SHARED_PART = 8;

  /** Into how many pieces what a thread does of a shared loop would fall if all were shared. */
  private static final int PIECES_PER_THREAD = 32;

  private final Worker[] workers;

  // Written by the caller before it raises loopNumber, read by the workers after they saw it.
  private RangeTask task;
  private int count;
  private int ownCount;
  private int pieceCount;
  private boolean closed;

  /** The first element of a loop that is no thread's own and that nobody has taken. */
  private final AtomicInteger nextShared = new AtomicInteger();

  // Fields that are volatile, and not handles of variables, since threads also wait before the
  // virtual machine has compiled anything, and then hold up its compiler for as long as they spin.
  private volatile long loopNumber;

  /**
   * @param threads at least 1, the calling thread included
   */
  public WorkerPool(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("expected at least 1 thread, found " + threads);
    }
    workers = new Worker[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(i + 1);
    }
    for (Worker worker : workers) {
      worker.thread.start();
    }
  }

  /** The number of threads, the calling one included. */
  public int threads() {
    return workers.length + 1;
  }

  /**
   * Splits {@code [0, count)} into one contiguous range a thread, of sizes that differ by at most
   * one, and returns when all are done. What a task throws is thrown here, that of the lowest range
   * first and the others suppressed, after all threads have ended their part.
   *
   * @throws IllegalStateException when the pool is closed
   */
  public void forEachRange(int count, RangeTask task) {
    run(count, count, count, task);
  }

  /**
   * Does {@code [0, count)} like {@link #forEachRange}, but splits only the first part of it in
   * advance. The rest are short ranges that threads take when they are done with their own, so that
   * none waits long for another that reads slower memory, or that the system keeps from its
   * processor. A task runs several times on a thread; a thread where it throws takes no more.
   */
  public void forEachRangeShared(int count, RangeTask task) {
    int pieceCount = Math.max(1, count / (PIECES_PER_THREAD * threads()));
    run(count, count - count / SHARED_PART, pieceCount, task);
  }

  private void run(int count, int ownCount, int pieceCount, RangeTask task) {
    if (closed) {
      throw new IllegalStateException("the pool is closed");
    }
    if (workers.length == 0 || count <= 1) {
      if (count > 0) {
        task.run(0, count);
      }
      return;
    }
    this.task = task;
    this.count = count;
    this.ownCount = ownCount;
    this.pieceCount = pieceCount;
    nextShared.set(ownCount);
    startLoop();
    Throwable failure = runPart(0);
    for (Worker worker : workers) {
      Throwable workerFailure = worker.finish(loopNumber);
      if (failure == null) {
        failure = workerFailure;
      } else if (workerFailure != null && !workerFailure.equals(failure)) {
        failure.addSuppressed(workerFailure);
      }
    }
    this.task = null;
    rethrow(failure);
  }

  /** Ends the threads. A second call does nothing. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    startLoop();
    for (Worker worker : workers) {
      ThreadEnd.await(worker.thread);
    }
  }

  private void startLoop() {
    // Volatile, as is the workers' read of it after they declared themselves parked: one of the two
    // sees the other, so no wake-up is lost.
    long next = loopNumber + 1;
    loopNumber = next;
    for (Worker worker : workers) {
      if (worker.parked) {
        LockSupport.unpark(worker.thread);
      }
    }
  }

  private Throwable runPart(int threadIndex) {
    int threads = threads();
    int start = (int) ((long) ownCount * threadIndex / threads);
    int end = (int) ((long) ownCount * (threadIndex + 1) / threads);
    try {
      if (start < end) {
        task.run(start, end);
      }
      while (nextShared.get() < count) {
        int shared = nextShared.getAndAdd(pieceCount);
        if (shared < count) {
          task.run(shared, Math.min(count, shared + pieceCount));
        }
      }
      return null;
    } catch (Throwable e) {
      return e;
    }
  }

  private static void rethrow(Throwable failure) {
    switch (failure) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new IllegalStateException(failure);
    }
  }

  private final class Worker implements Runnable {
    private final int threadIndex;
    private final Thread thread;

    private volatile boolean parked;

    /** The last loop of which somebody has begun this worker's part. */
    private final AtomicLong begunLoop = new AtomicLong();

    // Read by the caller after it saw finishedLoop.
    private Throwable failure;

    private volatile long finishedLoop;

    Worker(int threadIndex) {
      this.threadIndex = threadIndex;
      thread = Thread.ofPlatform().daemon().name("bora-worker-" + threadIndex).unstarted(this);
    }

    @Override
    public void run() {
      for (long loop = 1; ; loop++) {
        awaitLoop(loop);
        if (closed) {
          return;
        }
        if (begins(loop)) {
          failure = runPart(threadIndex);
          finishedLoop = loop;
        }
      }
    }

    /** Whether the part is the calling thread's to do: of one thread alone. */
    private boolean begins(long loop) {
      return begunLoop.compareAndSet(loop - 1, loop);
    }

    private void awaitLoop(long loop) {
      for (int spin = 0; spin < SPINS_BEFORE_PARK; spin++) {
        if (loopNumber >= loop) {
          return;
        }
        Thread.onSpinWait();
      }
      parked = true;
      while (loopNumber < loop) {
        LockSupport.park(WorkerPool.this);
      }
      parked = false;
    }

    /**
     * Sees to it that this worker's part is done, and returns what it threw; the caller's turn, so
     * it may yield but not park.
     */
    private Throwable finish(long loop) {
      if (begins(loop)) {
        return runPart(threadIndex);
      }
      int spin = 0;
      while (finishedLoop < loop) {
        if (++spin > SPINS_BEFORE_PARK) {
          Thread.yield();
        } else {
          Thread.onSpinWait();
        }
      }
      Throwable result = failure;
      failure = null;
      return result;
    }
  }
}
