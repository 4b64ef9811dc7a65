package bora.runtime.machine;

/**
 * An operand in memory: {@code [base + index * scale + offsetBytes]}, or what stands at a label of
 * the code itself.
 *
 * @param base null with a label
 * @param index null for none
 * @param scale 1, 2, 4 or 8
 * @param label null with a base
 * @param broadcast whether one word of 32 bits is read, for every lane
 */
public record Address(
    Gpr base, Gpr index, int scale, int offsetBytes, Label label, boolean broadcast)
    implements VectorOperand {
  /** {@code [base + offsetBytes]}. */
  public static Address of(Gpr base, int offsetBytes) {
    return new Address(base, null, 1, offsetBytes, null, false);
  }

  /** {@code [base + index * scale + offsetBytes]}. */
  public static Address of(Gpr base, Gpr index, int scale, int offsetBytes) {
    return new Address(base, index, scale, offsetBytes, null, false);
  }

  /** What stands at a label. */
  public static Address of(Label label) {
    return new Address(null, null, 1, 0, label, false);
  }

  /** The word of 32 bits there, for every lane. */
  public Address toEveryLane() {
    return new Address(base, index, scale, offsetBytes, label, true);
  }
}
