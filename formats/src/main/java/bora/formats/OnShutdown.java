package bora.formats;

/**
 * An action for the case that the process is told to end (Ctrl-C, SIGTERM) before this is closed.
 * No such action can be taken when it is killed.
 */
public final class OnShutdown implements AutoCloseable {
  private final Thread hook;

  private OnShutdown(Thread hook) {
    this.hook = hook;
  }

  /** Takes the action when the process is told to end, until closed. */
  public static OnShutdown run(Runnable action) {
    Thread hook = new Thread(action, "bora-shutdown");
    Runtime.getRuntime().addShutdownHook(hook);
    return new OnShutdown(hook);
  }

  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // Thrown while the process ends: the action is taken.
    }
  }
}
