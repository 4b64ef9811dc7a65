package bora.runtime.machine;

/**
 * A vector register of 512 bits.
 *
 * @param number 0 to 31
 */
public record Zmm(int number) implements VectorOperand {
  /**
   * @throws IllegalArgumentException when there is no such register
   */
  public Zmm {
    if (number < 0 || number > 31) {
      throw new IllegalArgumentException("no vector register " + number);
    }
  }
}
