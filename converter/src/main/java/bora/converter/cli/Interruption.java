package bora.converter.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Lets work that is interrupted (Ctrl-C, a termination signal) end what it is at: until it is
 * closed, the process waits for it with its own end, a few seconds at most.
 */
final class Interruption implements AutoCloseable {
  private static final long MAX_WAIT_SECONDS = 5;

  private final CountDownLatch ended = new CountDownLatch(1);
  private final Thread hook = new Thread(this::request);
  private volatile boolean requested;

  Interruption() {
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** Whether the work should end. */
  boolean requested() {
    return requested;
  }

  private void request() {
    requested = true;
    try {
      ended.await(MAX_WAIT_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The work has ended and shown what it had. */
  @Override
  public void close() {
    ended.countDown();
    if (!requested) {
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException e) {
        // The process began to end just now; nothing waits any more.
        requested = true;
      }
    }
  }
}
