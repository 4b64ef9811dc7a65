package bora.formats;

/** Told how far long work has come. Called from several threads at once. */
@FunctionalInterface
public interface ProgressListener {
  /** Hears nothing. */
  ProgressListener NONE = units -> {};

  /**
   * @param units work done since the last call, in the unit that the method taking this listener
   *     names
   */
  void advance(long units);
}
