package bora.quantizer;

import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToLongFunction;

/**
 * Spends a budget of bytes where it lowers the predicted divergence most: the best choice of every
 * tensor at one price a byte, the lowest price that the budget allows, then single steps, the best
 * first, while there is room for any.
 */
public final class BudgetAllocation {
  private static final int BISECTIONS = 60;

  private final SequencedMap<TensorKey, List<Choice>> choices;
  private final ToLongFunction<Map<TensorKey, Encoding>> size;
  private final long budgetBytes;

  /**
   * An encoding that a tensor could have.
   *
   * @param bytes its size
   * @param divergence what it adds to the predicted divergence, in nats
   */
  public record Choice(Encoding encoding, long bytes, double divergence) {}

  private BudgetAllocation(
      SequencedMap<TensorKey, List<Choice>> choices,
      ToLongFunction<Map<TensorKey, Encoding>> size,
      long budgetBytes) {
    this.choices = choices;
    this.size = size;
    this.budgetBytes = budgetBytes;
  }

  /** The size of the smallest allocation. */
  public static long smallest(
      SequencedMap<TensorKey, List<Choice>> choices,
      ToLongFunction<Map<TensorKey, Encoding>> size) {
    return size.applyAsLong(encodings(new BudgetAllocation(choices, size, 0).cheapest()));
  }

  /**
   * Chooses an encoding for every tensor.
   *
   * @param choices at least one a tensor
   * @param size of everything with given encodings; may be more than the tensors' bytes together
   * @param budgetBytes at least {@link #smallest}
   * @return never larger than the budget
   */
  public static SequencedMap<TensorKey, Choice> allocate(
      SequencedMap<TensorKey, List<Choice>> choices,
      ToLongFunction<Map<TensorKey, Encoding>> size,
      long budgetBytes) {
    BudgetAllocation allocation = new BudgetAllocation(choices, size, budgetBytes);
    SequencedMap<TensorKey, Choice> chosen = allocation.atLowestPrice();
    allocation.fill(chosen);
    return chosen;
  }

  private SequencedMap<TensorKey, Choice> cheapest() {
    SequencedMap<TensorKey, Choice> chosen = new LinkedHashMap<>();
    Comparator<Choice> order =
        Comparator.comparingLong(Choice::bytes).thenComparingDouble(Choice::divergence);
    choices.forEach((key, all) -> chosen.put(key, all.stream().min(order).orElseThrow()));
    return chosen;
  }

  private SequencedMap<TensorKey, Choice> atLowestPrice() {
    SequencedMap<TensorKey, Choice> best = cheapest();
    double low = -100;
    double high = 20;
    for (int i = 0; i < BISECTIONS; i++) {
      double middle = (low + high) / 2;
      SequencedMap<TensorKey, Choice> chosen = atPrice(StrictMath.exp(middle));
      if (fits(chosen)) {
        best = chosen;
        high = middle;
      } else {
        low = middle;
      }
    }
    return best;
  }

  private SequencedMap<TensorKey, Choice> atPrice(double price) {
    SequencedMap<TensorKey, Choice> chosen = new LinkedHashMap<>();
    Comparator<Choice> order =
        Comparator.comparingDouble((Choice c) -> c.divergence() + price * c.bytes())
            .thenComparingLong(Choice::bytes);
    choices.forEach((key, all) -> chosen.put(key, all.stream().min(order).orElseThrow()));
    return chosen;
  }

  private boolean fits(Map<TensorKey, Choice> chosen) {
    return size.applyAsLong(encodings(chosen)) <= budgetBytes;
  }

  private record Step(TensorKey key, Choice choice, double gainPerByte) {}

  private void fill(SequencedMap<TensorKey, Choice> chosen) {
    boolean improved = true;
    while (improved) {
      improved = false;
      for (Step step : steps(chosen)) {
        Choice before = chosen.put(step.key(), step.choice());
        if (fits(chosen)) {
          improved = true;
          break;
        }
        chosen.put(step.key(), before);
      }
    }
  }

  /** What could be made better, the most for a byte first. */
  private List<Step> steps(SequencedMap<TensorKey, Choice> chosen) {
    long used = chosen.values().stream().mapToLong(Choice::bytes).sum();
    long room = Math.max(0, budgetBytes - used);
    List<Step> steps = new ArrayList<>();
    choices.forEach(
        (key, all) -> {
          Choice now = chosen.get(key);
          for (Choice choice : all) {
            long bytes = choice.bytes() - now.bytes();
            double gain = now.divergence() - choice.divergence();
            if (bytes > 0 && gain > 0 && bytes <= room) {
              steps.add(new Step(key, choice, gain / bytes));
            }
          }
        });
    steps.sort(Comparator.comparingDouble(step -> -step.gainPerByte()));
    return steps;
  }

  private static Map<TensorKey, Encoding> encodings(Map<TensorKey, Choice> chosen) {
    Map<TensorKey, Encoding> encodings = new LinkedHashMap<>();
    chosen.forEach((key, choice) -> encodings.put(key, choice.encoding()));
    return encodings;
  }
}
