package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What a pickle computes with: values on a stack, marks between them, and a memo. */
final class PickleStack {
  /** What the stack holds: a value, or a place to come back to. */
  private sealed interface Slot {
    record Value(PickleValue value) implements Slot {}

    record Mark() implements Slot {}
  }

  private final Path file;
  private final List<Slot> slots = new ArrayList<>();
  private final Map<Integer, PickleValue> memo = new TreeMap<>();

  PickleStack(Path file) {
    this.file = file;
  }

  boolean isEmpty() {
    return slots.isEmpty();
  }

  void mark() {
    slots.add(new Slot.Mark());
  }

  void push(PickleValue value) {
    slots.add(new Slot.Value(value));
  }

  PickleValue top() throws CorruptFileException {
    PickleValue value = pop();
    push(value);
    return value;
  }

  PickleValue pop() throws CorruptFileException {
    return pop(1).getFirst();
  }

  /** Some values, the top one last. */
  List<PickleValue> pop(int count) throws CorruptFileException {
    List<PickleValue> values = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      if (slots.isEmpty() || !(slots.removeLast() instanceof Slot.Value(PickleValue value))) {
        throw PickleReader.wrong(file, "expected a value on the stack, found none");
      }
      values.add(value);
    }
    return values.reversed();
  }

  /** The values above the topmost mark, which goes too. */
  List<PickleValue> popToMark() throws CorruptFileException {
    List<PickleValue> values = new ArrayList<>();
    while (!slots.isEmpty()) {
      if (!(slots.removeLast() instanceof Slot.Value(PickleValue value))) {
        return values.reversed();
      }
      values.add(value);
    }
    throw PickleReader.wrong(file, "expected a mark on the stack, found none");
  }

  /** Remembers the top value under the next free index. */
  void memoize() throws CorruptFileException {
    memoize(memo.size());
  }

  void memoize(int index) throws CorruptFileException {
    memo.put(index, top());
  }

  void recall(int index) throws CorruptFileException {
    PickleValue value = memo.get(index);
    if (value == null) {
      throw PickleReader.wrong(file, "memo: expected a value under " + index + ", found none");
    }
    push(value);
  }
}
