package bora.quantizer;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.toList;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToLongFunction;

/**
 * Spends a budget of bytes where it lowers the predicted divergence most: the best choice of every
 * unit at one price a byte, the lowest price that the budget allows, then single steps, the best
 * first, while there is room for any. A unit is a tensor, or several that share an encoding.
 */
public final class BudgetAllocation {
  private static final int BISECTIONS = 60;

  private final List<Unit> units;
  private final ToLongFunction<Map<TensorKey, Encoding>> size;
  private final long budgetBytes;

  /**
   * An encoding that a tensor could have.
   *
   * @param bytes its size
   * @param divergence what it adds to the predicted divergence, in nats
   */
  public record Choice(Encoding encoding, long bytes, double divergence) {
    private Choice plus(Choice other) {
      return new Choice(encoding, bytes + other.bytes, divergence + other.divergence);
    }
  }

  /** Tensors that share an encoding, and what those that all of them could have come to. */
  private record Unit(List<TensorKey> tensors, List<Choice> choices) {}

  private BudgetAllocation(
      SequencedMap<TensorKey, List<Choice>> choices,
      Granularity granularity,
      ToLongFunction<Map<TensorKey, Encoding>> size,
      long budgetBytes) {
    this.size = size;
    this.budgetBytes = budgetBytes;
    units =
        choices.keySet().stream()
            .collect(groupingBy(granularity::unit, LinkedHashMap::new, toList()))
            .values()
            .stream()
            .map(tensors -> new Unit(tensors, sharedChoices(choices, tensors)))
            .toList();
  }

  /** The sums over some tensors, in the encodings that each of them could have. */
  private static List<Choice> sharedChoices(
      Map<TensorKey, List<Choice>> choices, List<TensorKey> tensors) {
    Map<Encoding, Choice> sums = new LinkedHashMap<>();
    choices.get(tensors.getFirst()).forEach(choice -> sums.put(choice.encoding(), choice));
    for (TensorKey key : tensors.subList(1, tensors.size())) {
      Map<Encoding, Choice> own = new EnumMap<>(Encoding.class);
      choices.get(key).forEach(choice -> own.put(choice.encoding(), choice));
      sums.keySet().retainAll(own.keySet());
      sums.replaceAll((encoding, sum) -> sum.plus(own.get(encoding)));
    }
    if (sums.isEmpty()) {
      throw new IllegalArgumentException(tensors + ": expected an encoding that suits all");
    }
    return List.copyOf(sums.values());
  }

  /** The size of the smallest allocation. */
  public static long smallest(
      SequencedMap<TensorKey, List<Choice>> choices,
      Granularity granularity,
      ToLongFunction<Map<TensorKey, Encoding>> size) {
    BudgetAllocation allocation = new BudgetAllocation(choices, granularity, size, 0);
    return size.applyAsLong(encodings(allocation.cheapest()));
  }

  /**
   * Chooses an encoding for every tensor.
   *
   * @param choices at least one a tensor, and one in common where tensors share an encoding
   * @param size of everything with given encodings; may be more than the tensors' bytes together
   * @param budgetBytes at least {@link #smallest}
   * @return never larger than the budget
   */
  public static SequencedMap<TensorKey, Choice> allocate(
      SequencedMap<TensorKey, List<Choice>> choices,
      Granularity granularity,
      ToLongFunction<Map<TensorKey, Encoding>> size,
      long budgetBytes) {
    BudgetAllocation allocation = new BudgetAllocation(choices, granularity, size, budgetBytes);
    SequencedMap<Unit, Choice> chosen = allocation.atLowestPrice();
    allocation.fill(chosen);
    Map<TensorKey, Encoding> encodings = encodings(chosen);
    SequencedMap<TensorKey, Choice> ofTensor = new LinkedHashMap<>();
    choices.forEach((key, all) -> ofTensor.put(key, choice(all, encodings.get(key))));
    return ofTensor;
  }

  private static Choice choice(List<Choice> choices, Encoding encoding) {
    return choices.stream()
        .filter(choice -> choice.encoding() == encoding)
        .findFirst()
        .orElseThrow();
  }

  private SequencedMap<Unit, Choice> cheapest() {
    return best(Comparator.comparingLong(Choice::bytes).thenComparingDouble(Choice::divergence));
  }

  private SequencedMap<Unit, Choice> best(Comparator<Choice> order) {
    SequencedMap<Unit, Choice> chosen = new LinkedHashMap<>();
    units.forEach(unit -> chosen.put(unit, unit.choices().stream().min(order).orElseThrow()));
    return chosen;
  }

  private SequencedMap<Unit, Choice> atLowestPrice() {
    SequencedMap<Unit, Choice> best = cheapest();
    double low = -100;
    double high = 20;
    for (int i = 0; i < BISECTIONS; i++) {
      double middle = (low + high) / 2;
      SequencedMap<Unit, Choice> chosen = atPrice(StrictMath.exp(middle));
      if (fits(chosen)) {
        best = chosen;
        high = middle;
      } else {
        low = middle;
      }
    }
    return best;
  }

  private SequencedMap<Unit, Choice> atPrice(double price) {
    return best(
        Comparator.comparingDouble((Choice c) -> c.divergence() + price * c.bytes())
            .thenComparingLong(Choice::bytes));
  }

  private boolean fits(Map<Unit, Choice> chosen) {
    return size.applyAsLong(encodings(chosen)) <= budgetBytes;
  }

  private record Step(Unit unit, Choice choice, double gainPerByte) {}

  private void fill(SequencedMap<Unit, Choice> chosen) {
    boolean improved = true;
    while (improved) {
      improved = false;
      for (Step step : steps(chosen)) {
        Choice before = chosen.put(step.unit(), step.choice());
        if (fits(chosen)) {
          improved = true;
          break;
        }
        chosen.put(step.unit(), before);
      }
    }
  }

  /** What could be made better, the most for a byte first. */
  private List<Step> steps(SequencedMap<Unit, Choice> chosen) {
    long used = chosen.values().stream().mapToLong(Choice::bytes).sum();
    long room = Math.max(0, budgetBytes - used);
    List<Step> steps = new ArrayList<>();
    for (Unit unit : units) {
      Choice now = chosen.get(unit);
      for (Choice choice : unit.choices()) {
        long bytes = choice.bytes() - now.bytes();
        double gain = now.divergence() - choice.divergence();
        if (bytes > 0 && gain > 0 && bytes <= room) {
          steps.add(new Step(unit, choice, gain / bytes));
        }
      }
    }
    steps.sort(Comparator.comparingDouble(step -> -step.gainPerByte()));
    return steps;
  }

  private static Map<TensorKey, Encoding> encodings(Map<Unit, Choice> chosen) {
    Map<TensorKey, Encoding> encodings = new LinkedHashMap<>();
    chosen.forEach(
        (unit, choice) -> unit.tensors().forEach(key -> encodings.put(key, choice.encoding())));
    return encodings;
  }
}
