package bora.runtime.machine;

/** A mask register: which lanes an instruction touches. */
public enum MaskRegister {
  /** Every lane. */
  ALL,
  K1,
  K2,
  K3,
  K4
}
