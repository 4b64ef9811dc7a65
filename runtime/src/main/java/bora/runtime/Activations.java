package bora.runtime;

import java.util.Locale;

/** How the activations enter products with matrices whose codes are integers. */
public enum Activations {
  /** As they are. What references are compared with. */
  F32,
  /**
   * Rounded to 8 bits, 64 columns sharing a step; {@code docs/fidelity.md} defines it. Faster,
   * since products are sums of integers. Matrices in other encodings are multiplied as with {@link
   * #F32}.
   */
  INT8;

  /** The name, as it stands in options and reports. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
