package bora.runtime;

import bora.runtime.kernel.CacheFormat;

/** How a session keeps the keys and values of the tokens that it has seen. */
public enum KvCacheType {
  /** As they were computed. */
  F32(CacheFormat.FLOAT32),
  /**
   * Rounded to IEEE half precision: half the memory, and half of what each further token reads of
   * it. Keys and values beyond 65504 would become infinite.
   */
  F16(CacheFormat.FLOAT16),
  /** Rounded to bfloat16: the same memory, an eighth of the precision and all of the range. */
  BF16(CacheFormat.BFLOAT16);

  private final CacheFormat format;

  KvCacheType(CacheFormat format) {
    this.format = format;
  }

  CacheFormat format() {
    return format;
  }
}
