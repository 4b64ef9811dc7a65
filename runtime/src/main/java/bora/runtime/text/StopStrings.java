package bora.runtime.text;

import java.util.List;

/**
 * Ends a text before the first stop string in it, as it comes in pieces. The end of what has come
 * that may begin a stop string is held back.
 */
final class StopStrings {
  private final List<String> stops;
  private final StringBuilder held = new StringBuilder();
  private boolean found;

  StopStrings(List<String> stops) {
    requireTexts(stops);
    this.stops = List.copyOf(stops);
  }

  /**
   * @throws IllegalArgumentException when one is empty
   */
  static void requireTexts(List<String> stops) {
    if (stops.stream().anyMatch(String::isEmpty)) {
      throw new IllegalArgumentException("stop string: expected a text, found an empty one");
    }
  }

  /** Takes a piece; returns the text that is before any stop string. */
  String add(String piece) {
    if (found) {
      return "";
    }
    held.append(piece);
    int first = -1;
    for (String stop : stops) {
      int at = held.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first)) {
        first = at;
      }
    }
    found = first >= 0;
    int certain = found ? first : held.length() - possibleStart();
    String text = held.substring(0, certain);
    held.delete(0, certain);
    return text;
  }

  /** Ends the text; returns what was held back in vain. */
  String end() {
    String rest = found ? "" : held.toString();
    held.setLength(0);
    return rest;
  }

  /** Whether a stop string has come. */
  boolean found() {
    return found;
  }

  /** Length of the longest end of the held text that is the start of a stop string. */
  private int possibleStart() {
    int longest = 0;
    for (String stop : stops) {
      for (int length = Math.min(stop.length() - 1, held.length()); length > longest; length--) {
        if (stop.startsWith(held.substring(held.length() - length))) {
          longest = length;
        }
      }
    }
    return longest;
  }
}
