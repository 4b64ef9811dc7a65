package bora.runtime.memory;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The memory of a GPU.
 *
 * @param label the size as it was written
 * @param bytes the size, 1 or more
 */
public record GpuSize(String label, long bytes) {
  private static final Pattern SIZE = Pattern.compile("(\\d{1,9}(?:\\.\\d{1,9})?)\\s*([A-Za-z]*)");

  /** The sizes that are judged when none is named. */
  public static final List<GpuSize> DEFAULTS =
      List.of(parse("16GB"), parse("24GB"), parse("80GB"), parse("100GB"));

  /** Refuses sizes below one byte. */
  public GpuSize {
    if (bytes < 1) {
      throw new IllegalArgumentException(
          "GPU size '" + label + "': expected at least 1 byte, found " + bytes);
    }
  }

  /**
   * Parses a number followed by {@code GB} (10^9 bytes) or {@code GiB} (2^30 bytes), in either
   * case.
   *
   * @throws IllegalArgumentException for anything else, a number without a unit too
   */
  public static GpuSize parse(String text) {
    String label = text.strip();
    Matcher matcher = SIZE.matcher(label);
    if (!matcher.matches()) {
      throw refusal(text, "write a number and a unit, such as 24GB or 24GiB");
    }
    long unitBytes =
        switch (matcher.group(2).toLowerCase(Locale.ROOT)) {
          case "gb" -> 1_000_000_000L;
          case "gib" -> 1L << 30;
          case "" ->
              throw refusal(
                  text,
                  "add the unit: " + label + "GB is 10^9 bytes each, " + label + "GiB is 2^30");
          default -> throw refusal(text, "the unit is GB (10^9 bytes) or GiB (2^30 bytes)");
        };
    BigDecimal bytes = new BigDecimal(matcher.group(1)).multiply(BigDecimal.valueOf(unitBytes));
    return new GpuSize(label, bytes.longValue());
  }

  /** The same number in the other unit: a GPU sold as 16 GB has 16 GiB. */
  public GpuSize inOtherUnit() {
    String lower = label.toLowerCase(Locale.ROOT);
    String number = label.substring(0, lower.lastIndexOf('g')).strip();
    return parse(number + (lower.endsWith("gib") ? "GB" : "GiB"));
  }

  private static IllegalArgumentException refusal(String text, String hint) {
    return new IllegalArgumentException(
        "GPU size: expected a size in GB or GiB, found '" + text + "'; " + hint);
  }
}
