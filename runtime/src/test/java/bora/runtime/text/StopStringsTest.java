package bora.runtime.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class StopStringsTest {
  static Stream<Arguments> texts() {
    return Stream.of(
        Arguments.of(List.of(), List.of("all ", "of it"), "all of it", false),
        Arguments.of(List.of("END"), List.of("some E", "N", "D more"), "some ", true),
        Arguments.of(List.of("END"), List.of("some E", "N", "C"), "some ENC", false),
        Arguments.of(List.of("END"), List.of("some EN"), "some EN", false),
        Arguments.of(List.of("b", "ab"), List.of("xab"), "x", true),
        Arguments.of(List.of("aab"), List.of("a", "a", "a", "b"), "a", true),
        Arguments.of(List.of("\n\n"), List.of("one\n", "two\n", "\nthree"), "one\ntwo", true));
  }

  @ParameterizedTest
  @MethodSource("texts")
  void endsBeforeTheFirstStopString(
      List<String> stops, List<String> pieces, String expected, boolean found) {
    StopStrings stopping = new StopStrings(stops);
    StringBuilder text = new StringBuilder();
    pieces.forEach(piece -> text.append(stopping.add(piece)));
    text.append(stopping.end());
    assertEquals(expected, text.toString());
    assertEquals(found, stopping.found());
  }

  @Test
  void holdsBackOnlyWhatMayBeginAStopString() {
    StopStrings stopping = new StopStrings(List.of("STOP"));
    assertEquals("go ", stopping.add("go S"));
    assertEquals("", stopping.add("TO"));
    assertEquals("STOx", stopping.add("x"));
  }

  @Test
  void refusesAnEmptyStopString() {
    assertThrows(IllegalArgumentException.class, () -> new StopStrings(List.of("x", "")));
  }
}
