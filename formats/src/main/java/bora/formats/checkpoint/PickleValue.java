package bora.formats.checkpoint;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What a {@link PickleReader} can make of a pickle: plain values and descriptions of tensors, no
 * objects. Values may share parts and even contain themselves, so nothing walks into them but who
 * knows how deep.
 */
sealed interface PickleValue {
  /** What it is, for messages. */
  default String kind() {
    return getClass().getSimpleName().toLowerCase(Locale.ROOT);
  }

  /** None, and numbers that no tensor needs. */
  enum Scalar implements PickleValue {
    NONE,
    FLOAT
  }

  /** A string. */
  record Text(String text) implements PickleValue {}

  /** An integer or a truth value. */
  record Whole(long value) implements PickleValue {}

  /** A tuple. */
  record Tuple(List<PickleValue> elements) implements PickleValue {}

  /** A list, filled as the pickle goes on. */
  final class Listing implements PickleValue {
    private final List<PickleValue> elements = new ArrayList<>();

    List<PickleValue> elements() {
      return elements;
    }
  }

  /** A dict or OrderedDict with keys of text, filled as the pickle goes on. */
  final class Dict implements PickleValue {
    private final Map<String, PickleValue> entries = new LinkedHashMap<>();

    Map<String, PickleValue> entries() {
      return entries;
    }
  }

  /** A callable that is known by name and never called. */
  record Global(PyTorchGlobal global) implements PickleValue {
    @Override
    public String kind() {
      return global.qualifiedName();
    }
  }

  /**
   * A reference to a storage.
   *
   * @param key names the archive's entry with the data
   * @param elements how many it holds
   */
  record Storage(PyTorchGlobal type, String key, long elements) implements PickleValue {}

  /**
   * A tensor.
   *
   * @param offsetElements where it begins in its storage
   * @param strides elements from one index to the next, a dimension
   */
  record Tensor(Storage storage, long offsetElements, List<Long> dimensions, List<Long> strides)
      implements PickleValue {}
}
