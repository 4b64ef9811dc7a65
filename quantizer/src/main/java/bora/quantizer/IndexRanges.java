package bora.quantizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Layers or experts as policies write them: {@code "0-3,7,last"}; 0-based, both ends included. */
record IndexRanges(List<Range> ranges) {
  private static final String LAST_WORD = "last";
  private static final Pattern RANGE = Pattern.compile("(\\d{1,6}|last)(?:-(\\d{1,6}|last))?");

  /** One range; a bound may be {@link #LAST}. */
  record Range(int first, int last) {
    /** The highest index that the model has. */
    static final int LAST = Integer.MAX_VALUE;

    boolean contains(int index, int count) {
      return index >= Math.min(first, count - 1) && index <= Math.min(last, count - 1);
    }
  }

  IndexRanges {
    ranges = List.copyOf(ranges);
  }

  /** Empty when the text is malformed. */
  static Optional<IndexRanges> parse(String text) {
    List<Range> ranges = new ArrayList<>();
    for (String part : text.split(",", -1)) {
      Matcher matcher = RANGE.matcher(part.strip());
      if (!matcher.matches()) {
        return Optional.empty();
      }
      int first = bound(matcher.group(1));
      int last = matcher.group(2) == null ? first : bound(matcher.group(2));
      if (first > last) {
        return Optional.empty();
      }
      ranges.add(new Range(first, last));
    }
    return Optional.of(new IndexRanges(ranges));
  }

  private static int bound(String text) {
    return text.equals(LAST_WORD) ? Range.LAST : Integer.parseInt(text);
  }

  /**
   * @param count how many layers or experts the model has; every bound is below it
   */
  boolean contains(int index, int count) {
    return ranges.stream().anyMatch(range -> range.contains(index, count));
  }

  /** The highest index written as a number, -1 if there is none. */
  int highest() {
    return ranges.stream()
        .mapToInt(range -> range.last() == Range.LAST ? range.first() : range.last())
        .filter(index -> index != Range.LAST)
        .max()
        .orElse(-1);
  }
}
