package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Finds every tensor of a model among the stored ones, and refuses a checkpoint that lacks one or
 * has one too many: it would be the checkpoint of another model.
 *
 * @param path the directory or file, for messages
 * @param weightMap the file's name of each stored tensor as an index has it; empty without an index
 */
record CheckpointTensors(
    Path path, ModelConfig config, TensorNaming naming, SortedMap<String, String> weightMap) {
  /** What a model may lack of tensors before it is taken for the config of another. */
  private static final long MISSING_TENSORS_TOLD_ONE_BY_ONE = 1024;

  /**
   * The model's tensors in canonical order.
   *
   * @param files of the checkpoint, all of them
   */
  Map<TensorKey, SourceTensor> of(List<WeightFile> files) throws CorruptFileException {
    SortedMap<String, StoredTensor> stored = byName(files);
    requireIndexed(stored);
    requireEnough(stored.size(), files);
    Map<TensorKey, SourceTensor> tensors = new LinkedHashMap<>();
    Set<String> used = new HashSet<>();
    for (Map.Entry<TensorKey, TensorShape> tensor : config.tensors().entrySet()) {
      StoredPlace place = place(tensor.getKey(), tensor.getValue(), stored);
      used.add(place.name());
      StoredTensor found = stored.get(place.name());
      tensors.put(tensor.getKey(), source(tensor.getKey(), tensor.getValue(), found, place));
    }
    requireNothingElse(stored, used, tensors);
    return tensors;
  }

  private static SortedMap<String, StoredTensor> byName(List<WeightFile> files)
      throws CorruptFileException {
    SortedMap<String, StoredTensor> stored = new TreeMap<>();
    for (WeightFile file : files) {
      for (StoredTensor tensor : file.tensors()) {
        StoredTensor earlier = stored.put(tensor.name(), tensor);
        if (earlier != null) {
          throw new CorruptFileException(
              file.path(), "tensor `" + tensor.name() + "` stands in " + earlier.file() + " too");
        }
      }
    }
    return stored;
  }

  private void requireIndexed(SortedMap<String, StoredTensor> stored) throws CorruptFileException {
    for (Map.Entry<String, String> indexed : weightMap.entrySet()) {
      StoredTensor found = stored.get(indexed.getKey());
      Path expected = path.resolve(indexed.getValue());
      if (found == null || !found.file().equals(expected)) {
        throw new CorruptFileException(
            expected,
            "tensor `"
                + indexed.getKey()
                + "`: expected here by the index, found "
                + (found == null ? "nowhere" : "in " + found.file()));
      }
    }
  }

  /**
   * A config that asks for more layers or experts than there can be must not be listed tensor by
   * tensor. Fused experts are fewer tensors than the model has, but not fewer weights.
   */
  private void requireEnough(int stored, List<WeightFile> files) throws CorruptFileException {
    long tooMany = stored + MISSING_TENSORS_TOLD_ONE_BY_ONE;
    if (config.tensorCount() > tooMany && !hasEnoughWeights(files)) {
      throw new CorruptFileException(
          path,
          "number of tensors: expected "
              + config.tensorCount()
              + " by the config, found "
              + stored
              + "; is a shard missing, or is it the config of another model?");
    }
  }

  /** By the files: tensors may share a storage, and then claim together what none of them has. */
  private boolean hasEnoughWeights(List<WeightFile> files) {
    long bytes = files.stream().mapToLong(file -> file.data().byteSize()).sum();
    try {
      // No type has more than two weights a byte.
      return config.parameterCount() / 2 <= bytes;
    } catch (ArithmeticException e) {
      return false;
    }
  }

  private StoredPlace place(
      TensorKey key, TensorShape shape, SortedMap<String, StoredTensor> stored)
      throws CorruptFileException {
    List<StoredPlace> places = naming.placesOf(key, shape, config);
    for (StoredPlace place : places) {
      if (stored.containsKey(place.name())) {
        return place;
      }
    }
    throw new CorruptFileException(
        path,
        "tensor `"
            + places.getFirst().name()
            + "`: expected by the config, found in no weight file");
  }

  private SourceTensor source(
      TensorKey key, TensorShape shape, StoredTensor found, StoredPlace place)
      throws CorruptFileException {
    WeightType type = found.type().orElseThrow(() -> notAWeight(found));
    if (!found.dimensions().equals(place.dimensions())) {
      throw new CorruptFileException(
          found.file(),
          "tensor `"
              + found.name()
              + "`: shape: expected "
              + place.dimensions()
              + " by the config, found "
              + found.dimensions());
    }
    return new SourceTensor(key, shape, found, type, place.rows());
  }

  private CorruptFileException notAWeight(StoredTensor found) {
    return new CorruptFileException(
        found.file(),
        "tensor `"
            + found.name()
            + "`: dtype: expected "
            + naming.weightTypes()
            + ", found "
            + found.typeName()
            + "; checkpoints quantized otherwise are not read, convert the original one");
  }

  private void requireNothingElse(
      SortedMap<String, StoredTensor> stored,
      Set<String> used,
      Map<TensorKey, SourceTensor> tensors)
      throws CorruptFileException {
    SourceTensor embedding = tensors.get(TensorKey.ofModel(TensorRole.EMBEDDING));
    TensorKey headKey = TensorKey.ofModel(TensorRole.LM_HEAD);
    String head = naming.placesOf(headKey, embedding.shape(), config).getFirst().name();
    for (StoredTensor unknown : stored.values()) {
      boolean tiedHead = config.tiedEmbeddings() && unknown.name().equals(head);
      if (used.contains(unknown.name())
          || (tiedHead && embedding.holds(unknown))
          || naming.isDerivedBuffer(unknown.name())) {
        continue;
      }
      throw new CorruptFileException(
          unknown.file(), "tensor `" + unknown.name() + "`: " + whyUnknown(unknown, tiedHead));
    }
  }

  private String whyUnknown(StoredTensor unknown, boolean tiedHead) {
    if (tiedHead) {
      return "expected the embedding's values (tied embeddings), found others";
    }
    return naming
        .quantizationOf(unknown.name())
        .map(
            scheme ->
                "belongs to a quantized checkpoint ("
                    + scheme
                    + "): expected float weights; convert the original one")
        .orElse("the config asks for no such tensor; is it the config of another model?");
  }
}
