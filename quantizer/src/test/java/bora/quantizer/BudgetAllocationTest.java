package bora.quantizer;

import static java.util.stream.Collectors.joining;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.quantizer.BudgetAllocation.Choice;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BudgetAllocationTest {
  private static final TensorKey SUPER = TensorKey.ofExpert(1, 3, TensorRole.EXPERT_DOWN);

  /** Sixteen experts of which one is 140 times as sensitive. */
  private static SequencedMap<TensorKey, List<Choice>> choices() {
    SequencedMap<TensorKey, List<Choice>> choices = new LinkedHashMap<>();
    for (int layer = 0; layer < 2; layer++) {
      for (int expert = 0; expert < 8; expert++) {
        TensorKey key = TensorKey.ofExpert(layer, expert, TensorRole.EXPERT_DOWN);
        double loss = key.equals(SUPER) ? 140 : 1;
        choices.put(
            key,
            List.of(
                new Choice(Encoding.Q4, 400, loss / 256),
                new Choice(Encoding.Q6, 600, loss / 4096),
                new Choice(Encoding.Q8, 800, loss / 65536),
                new Choice(Encoding.BF16, 1600, 0)));
      }
    }
    return choices;
  }

  private static long size(Map<TensorKey, Encoding> encodings) {
    SequencedMap<TensorKey, List<Choice>> choices = choices();
    return encodings.entrySet().stream()
        .mapToLong(
            chosen ->
                choices.get(chosen.getKey()).stream()
                    .filter(choice -> choice.encoding() == chosen.getValue())
                    .findFirst()
                    .orElseThrow()
                    .bytes())
        .sum();
  }

  private static SequencedMap<TensorKey, Choice> allocate(Granularity granularity, long budget) {
    return BudgetAllocation.allocate(choices(), granularity, BudgetAllocationTest::size, budget);
  }

  private static long bytes(Map<TensorKey, Choice> chosen) {
    return chosen.values().stream().mapToLong(Choice::bytes).sum();
  }

  @ParameterizedTest
  @ValueSource(longs = {6400, 6599, 6600, 8000, 9999, 12_800, 30_000})
  void neverExceedsTheBudgetAndLeavesNoRoomForAStep(long budget) {
    long used = bytes(allocate(Granularity.TENSOR, budget));
    assertTrue(used <= budget, used + " of " + budget);
    assertTrue(used == 16 * 1600 || budget - used < 200, used + " of " + budget);
  }

  @Test
  void protectsTheSensitiveExpert() {
    SequencedMap<TensorKey, Choice> chosen = allocate(Granularity.TENSOR, 7000);
    assertEquals(Encoding.Q8, chosen.get(SUPER).encoding());
    chosen.remove(SUPER);
    assertTrue(chosen.values().stream().allMatch(choice -> choice.bytes() < 800));
  }

  @Test
  void knowsTheSmallest() {
    for (Granularity granularity : Granularity.values()) {
      assertEquals(
          6400, BudgetAllocation.smallest(choices(), granularity, BudgetAllocationTest::size));
    }
  }

  /** The super expert drags along all that shares its encoding. */
  @ParameterizedTest
  @CsvSource({
    "MODEL, 12799, Q6:16",
    "MODEL, 12800, Q8:16",
    "LAYER, 9599, Q4:8 Q6:8",
    "LAYER, 9600, Q4:8 Q8:8",
    "PROJECTION, 9600, Q4:8 Q8:8",
    "EXPERT, 6800, Q4:15 Q8:1",
    "TENSOR, 6800, Q4:15 Q8:1",
  })
  void givesOneEncodingToAllThatShareIt(Granularity granularity, long budget, String expected) {
    SequencedMap<TensorKey, Choice> chosen = allocate(granularity, budget);
    Map<Encoding, Integer> counts = new TreeMap<>(Comparator.comparing(Encoding::codeBits));
    chosen.values().forEach(choice -> counts.merge(choice.encoding(), 1, Integer::sum));
    assertEquals(
        expected,
        counts.entrySet().stream()
            .map(count -> count.getKey() + ":" + count.getValue())
            .collect(joining(" ")));
    assertTrue(bytes(chosen) <= budget);
    assertEquals(
        chosen.keySet().stream().map(granularity::unit).distinct().count(),
        chosen.entrySet().stream()
            .map(tensor -> granularity.unit(tensor.getKey()) + tensor.getValue().encoding())
            .distinct()
            .count());
  }

  @Test
  void refusesTensorsThatHaveNoEncodingInCommon() {
    SequencedMap<TensorKey, List<Choice>> choices = choices();
    choices.put(SUPER, List.of(new Choice(Encoding.Q5, 500, 1)));
    assertThrows(
        IllegalArgumentException.class,
        () -> BudgetAllocation.smallest(choices, Granularity.LAYER, BudgetAllocationTest::size));
  }
}
