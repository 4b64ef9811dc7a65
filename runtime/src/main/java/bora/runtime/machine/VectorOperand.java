package bora.runtime.machine;

/** The last source of a vector instruction: a register, or memory. */
public sealed interface VectorOperand permits Zmm, Address {}
