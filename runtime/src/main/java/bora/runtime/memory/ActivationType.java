package bora.runtime.memory;

import java.util.Locale;

/** The number type that the framework computes and caches in. */
public enum ActivationType {
  /** bfloat16. */
  BF16(2),
  /** IEEE half precision. */
  F16(2),
  /** IEEE single precision. */
  F32(4);

  private final int bytes;

  ActivationType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one number. */
  public int bytes() {
    return bytes;
  }

  /** The name on the command line and in JSON: {@code bf16}, {@code f16}, {@code f32}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The type of that name, in either case.
   *
   * @throws IllegalArgumentException if no type has it
   */
  public static ActivationType parse(String text) {
    for (ActivationType type : values()) {
      if (type.name().equalsIgnoreCase(text)) {
        return type;
      }
    }
    throw new IllegalArgumentException("dtype: expected bf16, f16 or f32, found '" + text + "'");
  }
}
