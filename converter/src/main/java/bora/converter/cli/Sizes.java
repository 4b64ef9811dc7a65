package bora.converter.cli;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Numbers as people read them. GB is 10^9 bytes, GiB is 2^30. */
final class Sizes {
  private static final Pattern SIZE =
      Pattern.compile("([0-9]{1,15}(?:\\.[0-9]{1,9})?)\\s*([mMgG][iI]?[bB])?");

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

  /**
   * Reads a size: bytes, or a number with the unit MB, GB, MiB or GiB.
   *
   * @throws IllegalArgumentException for anything else
   */
  static long parse(String text) {
    Matcher matcher = SIZE.matcher(text.strip());
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "size: expected bytes, or a number with MB, GB, MiB or GiB, found `" + text + "`");
    }
    String unit = matcher.group(2) == null ? "" : matcher.group(2).toLowerCase(Locale.ROOT);
    long unitBytes =
        switch (unit) {
          case "mb" -> 1_000_000L;
          case "gb" -> 1_000_000_000L;
          case "mib" -> 1L << 20;
          case "gib" -> 1L << 30;
          default -> 1L;
        };
    return new BigDecimal(matcher.group(1)).multiply(BigDecimal.valueOf(unitBytes)).longValue();
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
