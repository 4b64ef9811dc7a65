package bora.converter.cli;

import java.util.Locale;

/** Numbers as people read them. GB is 10^9 bytes, GiB is 2^30. */
final class Sizes {
  private Sizes() {}

  /** {@code 14.48 GB}, {@code 7.3 MB}, {@code 812 bytes}. */
  static String of(long bytes) {
    if (bytes >= 1_000_000_000L) {
      return format("%.2f GB", bytes / 1e9);
    }
    if (bytes >= 1_000_000) {
      return format("%.2f MB", bytes / 1e6);
    }
    return bytes >= 10_000 ? format("%.1f kB", bytes / 1e3) : bytes + " bytes";
  }

  static String gibibytes(long bytes) {
    return format("%.2f GiB", bytes / (double) (1L << 30));
  }

  /** {@code 46.70 B}, {@code 7.31 M}. */
  static String count(long count) {
    if (count >= 1_000_000_000L) {
      return format("%.2f B", count / 1e9);
    }
    return count >= 1_000_000 ? format("%.2f M", count / 1e6) : String.valueOf(count);
  }

  static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
