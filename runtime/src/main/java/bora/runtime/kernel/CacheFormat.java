package bora.runtime.kernel;

import bora.formats.encoding.BFloat16;

/** How a component of a key or value is kept. */
public enum CacheFormat {
  /** As it is. */
  FLOAT32(Float.BYTES),
  /**
   * Rounded to IEEE 754 binary16: 11 significant bits, below 2^-14 fewer; what is beyond 65504
   * becomes infinite.
   */
  FLOAT16(Short.BYTES),
  /** Rounded to bfloat16: 8 significant bits, of the range of a float. */
  BFLOAT16(Short.BYTES);

  private final int bytes;

  CacheFormat(int bytes) {
    this.bytes = bytes;
  }

  /** Of a component. */
  public int bytes() {
    return bytes;
  }

  /** What two bytes stand for; not for {@link #FLOAT32}. */
  float toFloat(short bits) {
    return switch (this) {
      case FLOAT16 -> Float.float16ToFloat(bits);
      case BFLOAT16 -> BFloat16.toFloat(bits);
      case FLOAT32 -> throw new IllegalArgumentException("a float32 has four bytes");
    };
  }
}
