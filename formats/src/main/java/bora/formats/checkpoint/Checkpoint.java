package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A checkpoint of the HuggingFace hub, mapped and validated: exactly the tensors that its config
 * asks for, with their shapes, in a float type. Holds its files open until closed.
 */
public final class Checkpoint implements AutoCloseable {
  /** The name of the config in a checkpoint's directory. */
  public static final String CONFIG_FILE = "config.json";

  private final CheckpointDirectory layout;
  private final ModelConfig config;
  private final List<SafetensorsFile> shards;
  private final Map<TensorKey, SourceTensor> tensors;
  private final List<Path> attachments;

  private Checkpoint(
      CheckpointDirectory layout,
      ModelConfig config,
      List<SafetensorsFile> shards,
      Map<TensorKey, SourceTensor> tensors,
      List<Path> attachments) {
    this.layout = layout;
    this.config = config;
    this.shards = List.copyOf(shards);
    this.tensors = tensors;
    this.attachments = attachments;
  }

  /**
   * Opens the checkpoint in a directory.
   *
   * @throws CorruptFileException naming the file and what is wrong with it
   * @throws IOException also when a file is missing
   */
  public static Checkpoint open(Path directory) throws IOException {
    CheckpointDirectory layout = CheckpointDirectory.of(directory);
    ModelConfig config = HuggingFaceConfig.read(layout.config());
    List<SafetensorsFile> shards = new ArrayList<>();
    try {
      for (Path shard : layout.shards()) {
        shards.add(SafetensorsFile.open(shard));
      }
      SortedMap<String, Located> named = locate(layout, shards);
      requireEnough(layout, config, named.size());
      Map<TensorKey, SourceTensor> tensors = new LinkedHashMap<>();
      for (Map.Entry<TensorKey, TensorShape> tensor : config.tensors().entrySet()) {
        String name = HuggingFaceNames.nameOf(tensor.getKey(), config.architecture());
        Located found = require(layout, named.remove(name), name);
        tensors.put(tensor.getKey(), source(tensor.getKey(), tensor.getValue(), found));
      }
      requireNothingElse(config, named, tensors);
      return new Checkpoint(layout, config, shards, tensors, layout.attachments());
    } catch (IOException | RuntimeException e) {
      shards.forEach(SafetensorsFile::close);
      throw e;
    }
  }

  /** A tensor and the shard that holds it. */
  private record Located(Path shard, SafetensorsEntry entry) {}

  private static SortedMap<String, Located> locate(
      CheckpointDirectory layout, List<SafetensorsFile> shards) throws CorruptFileException {
    SortedMap<String, Located> named = new TreeMap<>();
    for (SafetensorsFile shard : shards) {
      for (SafetensorsEntry entry : shard.entries().values()) {
        Located earlier = named.put(entry.name(), new Located(shard.path(), entry));
        if (earlier != null) {
          throw new CorruptFileException(
              shard.path(), "tensor `" + entry.name() + "` stands in " + earlier.shard() + " too");
        }
      }
    }
    for (Map.Entry<String, String> indexed : layout.weightMap().entrySet()) {
      Located found = named.get(indexed.getKey());
      Path expected = layout.directory().resolve(indexed.getValue());
      if (found == null || !found.shard().equals(expected)) {
        throw new CorruptFileException(
            expected,
            "tensor `"
                + indexed.getKey()
                + "`: expected here by the index, found "
                + (found == null ? "nowhere" : "in " + found.shard()));
      }
    }
    return named;
  }

  /** A config that asks for more layers than there can be must not be listed tensor by tensor. */
  private static void requireEnough(CheckpointDirectory layout, ModelConfig config, int found)
      throws CorruptFileException {
    long slack = 1024;
    if (config.tensorCount() > found + slack) {
      throw new CorruptFileException(
          layout.directory(),
          "number of tensors: expected "
              + config.tensorCount()
              + " by config.json, found "
              + found
              + "; is a shard missing, or is it the config of another model?");
    }
  }

  private static Located require(CheckpointDirectory layout, Located found, String name)
      throws CorruptFileException {
    if (found == null) {
      throw new CorruptFileException(
          layout.directory(),
          "tensor `" + name + "`: expected by config.json, found in no weight file");
    }
    return found;
  }

  private static SourceTensor source(TensorKey key, TensorShape shape, Located found)
      throws CorruptFileException {
    SafetensorsEntry entry = found.entry();
    if (!entry.dtype().isWeight()) {
      throw new CorruptFileException(
          found.shard(),
          "tensor `"
              + entry.name()
              + "`: dtype: expected F32, F16 or BF16, found "
              + entry.dtype()
              + "; quantized checkpoints are not read, convert the original one");
    }
    List<Long> expected = shape.dimensions().stream().map(Integer::longValue).toList();
    if (!entry.dimensions().equals(expected)) {
      throw new CorruptFileException(
          found.shard(),
          "tensor `"
              + entry.name()
              + "`: shape: expected "
              + expected
              + " by config.json, found "
              + entry.dimensions());
    }
    return new SourceTensor(key, shape, found.shard(), entry);
  }

  private static void requireNothingElse(
      ModelConfig config, SortedMap<String, Located> rest, Map<TensorKey, SourceTensor> tensors)
      throws CorruptFileException {
    TensorKey embedding = TensorKey.ofModel(TensorRole.EMBEDDING);
    String head =
        HuggingFaceNames.nameOf(TensorKey.ofModel(TensorRole.LM_HEAD), config.architecture());
    for (Map.Entry<String, Located> unknown : rest.entrySet()) {
      Located found = unknown.getValue();
      boolean tiedHead = config.tiedEmbeddings() && unknown.getKey().equals(head);
      if (tiedHead && tensors.get(embedding).holds(found.entry())) {
        continue;
      }
      if (!HuggingFaceNames.isDerivedBuffer(unknown.getKey())) {
        throw new CorruptFileException(
            found.shard(), "tensor `" + unknown.getKey() + "`: " + whyUnknown(unknown, tiedHead));
      }
    }
  }

  private static String whyUnknown(Map.Entry<String, Located> unknown, boolean tiedHead) {
    if (tiedHead) {
      return "expected the embedding's values (tie_word_embeddings), found others";
    }
    if (HuggingFaceNames.isQuantized(unknown.getKey())) {
      return "belongs to a quantized checkpoint: expected float weights; convert the original one";
    }
    return "config.json asks for no such tensor; is it the config of another model?";
  }

  public Path directory() {
    return layout.directory();
  }

  public ModelConfig config() {
    return config;
  }

  /**
   * @throws IllegalArgumentException when the model has no such tensor
   */
  public SourceTensor tensor(TensorKey key) {
    SourceTensor tensor = tensors.get(key);
    if (tensor == null) {
      throw new IllegalArgumentException("the model has no tensor " + key);
    }
    return tensor;
  }

  /** Every file that counts towards the pack: config, index, weights, attachments; sorted. */
  public List<Path> sourceFiles() {
    List<Path> files = new ArrayList<>(attachments);
    if (!files.contains(layout.config())) {
      files.add(layout.config());
    }
    layout.index().ifPresent(files::add);
    shards.forEach(shard -> files.add(shard.path()));
    files.sort(null);
    return List.copyOf(files);
  }

  /** Tokenizer, chat template, config and licence files, which a pack carries along; sorted. */
  public List<Path> attachmentFiles() {
    return attachments;
  }

  /**
   * Tells checkpoints apart without reading them whole: the SHA-256, in hexadecimal digits, of the
   * config and of every weight file's name, length, header and evenly spaced samples of its data.
   */
  public String fingerprint() throws IOException {
    return CheckpointFingerprint.of(layout.config(), shards);
  }

  /** Unmaps the weights. */
  @Override
  public void close() {
    shards.forEach(SafetensorsFile::close);
  }
}
