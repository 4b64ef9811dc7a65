package bora.runtime.machine;

/** A place in code, known or still to come. */
public final class Label {
  static final int UNBOUND = -1;

  /** Bytes from the start of the code. */
  int position = UNBOUND;
}
