package bora.runtime;

/** Which kernels compute. All give the same results but for rounding. */
public enum KernelChoice {
  /** Vector kernels where this machine has vectors they are written for, else scalar ones. */
  AUTO,
  /** The kernels that define the results. Slow. */
  SCALAR,
  /** Vector kernels; opening a model fails where they cannot run. */
  VECTOR
}
