package bora.runtime.kernel;

/** Waiting for a thread that will end soon. */
public final class ThreadEnd {
  private ThreadEnd() {}

  /** Returns when a thread has ended; an interrupt does not hasten that, and is not lost. */
  public static void await(Thread thread) {
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
