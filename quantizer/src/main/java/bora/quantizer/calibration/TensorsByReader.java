package bora.quantizer.calibration;

import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The tensors of a model in groups that read the same input, and so share its moments. */
public final class TensorsByReader {
  private TensorsByReader() {}

  /** All groups; the most work first, so that no thread is left alone with it at the end. */
  public static List<List<TensorKey>> of(ModelConfig config) {
    Map<TensorKey, List<TensorKey>> byReader = new LinkedHashMap<>();
    Map<TensorKey, Long> work = new LinkedHashMap<>();
    config
        .tensors()
        .forEach(
            (key, shape) -> {
              TensorKey reader = MomentsSource.readerOf(key);
              byReader.computeIfAbsent(reader, _ -> new ArrayList<>()).add(key);
              work.merge(reader, shape.elementCount() * shape.columns(), Long::sum);
            });
    List<TensorKey> readers = new ArrayList<>(byReader.keySet());
    readers.sort(Comparator.comparingLong(reader -> -work.get(reader)));
    return readers.stream().map(byReader::get).toList();
  }
}
