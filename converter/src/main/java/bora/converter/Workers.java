package bora.converter;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;

/** Runs tasks on a number of threads, each with a scratch object of its own. */
public final class Workers {
  /** A piece of work. */
  @FunctionalInterface
  public interface Task<S> {
    void run(S scratch) throws IOException;
  }

  private Workers() {}

  /**
   * Runs all tasks, begun in their order. The first failure keeps further ones from starting and is
   * thrown when those that run have ended.
   *
   * @param newScratch makes each thread's scratch object
   */
  public static <S> void run(int threads, Supplier<S> newScratch, Queue<Task<S>> tasks)
      throws IOException {
    Queue<Task<S>> waiting = new ConcurrentLinkedQueue<>(tasks);
    List<Future<?>> workers = new ArrayList<>();
    try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
      for (int i = 0; i < threads; i++) {
        workers.add(
            executor.submit(
                () -> {
                  work(newScratch.get(), waiting);
                  return null;
                }));
      }
    }
    for (Future<?> worker : workers) {
      rethrow(worker);
    }
  }

  private static <S> void work(S scratch, Queue<Task<S>> waiting) throws IOException {
    boolean done = false;
    try {
      for (Task<S> task = waiting.poll(); task != null; task = waiting.poll()) {
        task.run(scratch);
      }
      done = true;
    } finally {
      if (!done) {
        waiting.clear();
      }
    }
  }

  private static void rethrow(Future<?> worker) throws IOException {
    try {
      worker.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case IOException io -> throw io;
        case RuntimeException runtime -> throw runtime;
        case Error error -> throw error;
        default -> throw new IllegalStateException(e.getCause());
      }
    }
  }
}
