package bora.formats.pack;

import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One of several parts of a pack that are written apart and joined later: tensors that follow each
 * other, about as many weights in each part. Which they are follows from the config alone.
 *
 * @param number from 1
 * @param tensors in canonical order; may be empty where there are more parts than tensors
 */
public record LayoutPart(PackLayout layout, int number, int count, List<TensorKey> tensors) {
  public LayoutPart {
    tensors = List.copyOf(tensors);
  }

  /**
   * @throws IllegalArgumentException when there is no such part
   */
  public static LayoutPart of(PackLayout layout, int number, int count) {
    if (number < 1 || number > count) {
      throw new IllegalArgumentException(
          "part: expected one of 1/" + count + " to " + count + "/" + count + ", found " + number);
    }
    double weights = layout.config().parameterCount();
    List<TensorKey> tensors = new ArrayList<>();
    long before = 0;
    for (Map.Entry<TensorKey, TensorShape> tensor : layout.config().tensors().entrySet()) {
      if ((int) (before / weights * count) == number - 1) {
        tensors.add(tensor.getKey());
      }
      before += tensor.getValue().elementCount();
    }
    return new LayoutPart(layout, number, count, tensors);
  }

  /** Where the part begins in the pack. */
  long startBytes() {
    return tensors.isEmpty() ? 0 : layout.tensors().get(tensors.getFirst()).offsetBytes();
  }

  long lengthBytes() {
    return tensors.isEmpty()
        ? 0
        : layout.tensors().get(tensors.getLast()).endBytes() - startBytes();
  }

  /** Where the part of a pack is written: {@code OUT.bora.part-00002-of-00008}. */
  public Path file(Path pack) {
    return pack.resolveSibling(
        String.format(Locale.ROOT, "%s.part-%05d-of-%05d", pack.getFileName(), number, count));
  }

  /** Tells the part from every other, of this pack or another; see {@link PackLayout#identity}. */
  String identity(String work) {
    return layout.identity(work + "\npart " + number + " of " + count);
  }

  /** Where a range of the pack is in the part's file. */
  ByteRange inFile(ByteRange range) {
    return new ByteRange(range.offsetBytes() - startBytes(), range.lengthBytes());
  }
}
