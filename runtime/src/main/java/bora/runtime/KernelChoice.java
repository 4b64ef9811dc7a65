package bora.runtime;

/** Which kernels compute. All give the same results but for rounding. */
public enum KernelChoice {
  /** The fastest: machine code where it runs, else {@link #PORTABLE}. */
  AUTO,
  /**
   * Vector kernels where this machine has vectors they are written for, else scalar ones. Vectors
   * of any width give the same bits, so these are for what must come out the same everywhere.
   */
  PORTABLE,
  /** The kernels that define the results. Slow. */
  SCALAR,
  /** Vector kernels; opening a model fails where they cannot run. */
  VECTOR
}
