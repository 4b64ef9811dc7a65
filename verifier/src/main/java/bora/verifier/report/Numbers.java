package bora.verifier.report;

import bora.verifier.Check;
import bora.verifier.Metric;
import java.util.Locale;
import java.util.OptionalDouble;

/** Measurements as people read them. */
final class Numbers {
  private static final double MOST_DIGITS = 1e9;
  private static final double FEWEST_DIGITS = 1e-3;

  private Numbers() {}

  /** Whole numbers as such, others with five digits; what is almost 1 by its distance from it. */
  static String of(double value) {
    if (value == Math.rint(value) && Math.abs(value) < MOST_DIGITS) {
      return String.valueOf((long) value);
    }
    if (!Double.isFinite(value)) {
      return String.valueOf(value);
    }
    if (Math.abs(1 - value) < FEWEST_DIGITS) {
      return format(value < 1 ? "1 − %.1e" : "1 + %.1e", Math.abs(1 - value));
    }
    boolean scientific = Math.abs(value) < FEWEST_DIGITS || Math.abs(value) >= MOST_DIGITS;
    return format(scientific ? "%.3e" : Math.abs(value) < 1 ? "%.5f" : "%.4f", value);
  }

  /**
   * A share as a percentage. What is not whole is never shown as 100 %: agreement is about the last
   * decimals.
   */
  static String percent(double share) {
    String rounded = format("%.2f %%", 100 * share);
    return share < 1 && rounded.startsWith("100") ? "> 99.99 %" : rounded;
  }

  static String measured(OptionalDouble value) {
    return value.isPresent() ? of(value.getAsDouble()) : "absent";
  }

  static String limit(Check check) {
    String sign = check.metric().direction() == Metric.Direction.AT_MOST ? "≤ " : "≥ ";
    return sign + measured(check.limit());
  }

  /** {@code 14.48 GB}; GB is 10^9 bytes. */
  static String bytes(long bytes) {
    if (bytes >= 1_000_000_000L) {
      return format("%.2f GB", bytes / 1e9);
    }
    return bytes >= 1_000_000 ? format("%.2f MB", bytes / 1e6) : format("%.1f kB", bytes / 1e3);
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
