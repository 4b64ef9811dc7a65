package bora.runtime.machine;

/**
 * The general registers that a function need not preserve; its arguments arrive in some of them.
 */
public enum Gpr {
  RAX(0),
  RCX(1),
  RDX(2),
  RSI(6),
  RDI(7),
  R8(8),
  R9(9),
  R10(10),
  R11(11);

  final int number;

  Gpr(int number) {
    this.number = number;
  }
}
