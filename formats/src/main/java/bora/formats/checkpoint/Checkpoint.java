package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.ProgressListener;
import bora.formats.Sha256;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A Mistral or Mixtral checkpoint in any of the layouts in use, mapped and validated: exactly the
 * tensors that its config asks for, with their shapes, in a type that is read. Holds its files open
 * until closed.
 */
public final class Checkpoint implements AutoCloseable {
  /** The name of the config in the directory of a checkpoint of the hub. */
  public static final String CONFIG_FILE = "config.json";

  /** Far more than any config needs. */
  static final int MAX_CONFIG_BYTES = 1 << 20;

  private final Path path;
  private final CheckpointLayout layout;
  private final List<CheckpointLayout> otherLayouts;
  private final ModelConfig config;
  private final List<WeightFile> files;
  private final Map<TensorKey, SourceTensor> tensors;
  private final Optional<Path> configFile;
  private final Optional<Path> index;
  private final List<Path> attachments;

  private Checkpoint(
      Path path,
      CheckpointLayout layout,
      List<CheckpointLayout> otherLayouts,
      ModelConfig config,
      List<WeightFile> files,
      Map<TensorKey, SourceTensor> tensors,
      Optional<Path> configFile,
      Optional<Path> index,
      List<Path> attachments) {
    this.path = path;
    this.layout = layout;
    this.otherLayouts = List.copyOf(otherLayouts);
    this.config = config;
    this.files = List.copyOf(files);
    this.tensors = tensors;
    this.configFile = configFile;
    this.index = index;
    this.attachments = attachments;
  }

  /** Whether a path is what {@link #open} may be given: a directory, or a GGUF file. */
  public static boolean isCheckpoint(Path path) throws IOException {
    return Files.isDirectory(path) || GgufFile.isGguf(path);
  }

  /**
   * Opens a checkpoint.
   *
   * @param path a checkpoint's directory, or a GGUF file
   * @throws CorruptFileException naming the file and what is wrong with it
   * @throws IOException also when a file is missing
   */
  public static Checkpoint open(Path path) throws IOException {
    if (GgufFile.isGguf(path)) {
      return MappedFile.open(path, Checkpoint::ofGguf);
    }
    CheckpointDirectory directory = CheckpointDirectory.of(path);
    ModelConfig config = readConfigFile(directory.config());
    return MappedFile.openAll(
        directory.shards(), shards -> ofDirectory(path, directory, config, shards));
  }

  /**
   * Reads the shape of a checkpoint's model alone; the weights need not be there.
   *
   * @param path a checkpoint's directory, its {@code config.json} or {@code params.json}, or a GGUF
   *     file
   */
  public static ModelConfig readConfig(Path path) throws IOException {
    if (GgufFile.isGguf(path)) {
      try (GgufFile gguf = GgufFile.open(path)) {
        return GgufConfig.of(gguf);
      }
    }
    boolean json = path.toString().endsWith(".json") && Files.isRegularFile(path);
    return readConfigFile(json ? path : CheckpointDirectory.configOf(path));
  }

  /**
   * Checks that reading a file of a checkpoint reads nothing but the checkpoint.
   *
   * @param directory the checkpoint's
   * @param file one in it that exists
   * @throws CorruptFileException when it is a link that leaves the directory, but for the hub's
   *     cache, whose snapshots are links into the {@code blobs} beside them
   */
  public static void requireWithin(Path directory, Path file) throws IOException {
    CheckpointDirectory.requireWithin(directory, file);
  }

  private static ModelConfig readConfigFile(Path config) throws IOException {
    boolean params = config.endsWith(CheckpointLayout.MISTRAL_SAFETENSORS.configName());
    return params ? MistralParams.read(config) : HuggingFaceConfig.read(config);
  }

  private static Checkpoint ofGguf(MappedFile file) throws IOException {
    GgufFile gguf = GgufFile.of(file);
    ModelConfig config = GgufConfig.of(gguf);
    CheckpointTensors tensors =
        new CheckpointTensors(file.path(), config, CheckpointLayout.GGUF.naming(), new TreeMap<>());
    return new Checkpoint(
        file.path(),
        CheckpointLayout.GGUF,
        List.of(),
        config,
        List.of(gguf),
        tensors.of(List.of(gguf)),
        Optional.empty(),
        Optional.empty(),
        List.of());
  }

  private static Checkpoint ofDirectory(
      Path path, CheckpointDirectory directory, ModelConfig config, List<MappedFile> shards)
      throws IOException {
    CheckpointLayout layout = directory.layout();
    List<WeightFile> files = new ArrayList<>();
    for (MappedFile shard : shards) {
      files.add(weights(layout, shard));
    }
    CheckpointTensors tensors =
        new CheckpointTensors(path, config, layout.naming(), directory.weightMap());
    return new Checkpoint(
        path,
        layout,
        directory.others(),
        config,
        files,
        tensors.of(files),
        Optional.of(directory.config()),
        directory.index(),
        directory.attachments());
  }

  private static WeightFile weights(CheckpointLayout layout, MappedFile file) throws IOException {
    return switch (layout) {
      case HUB_SAFETENSORS, MISTRAL_SAFETENSORS -> new SafetensorsWeights(SafetensorsFile.of(file));
      case HUB_PYTORCH, MISTRAL_PYTORCH -> PyTorchFile.of(file);
      case GGUF -> GgufFile.of(file);
    };
  }

  /** The directory, or the GGUF file. */
  public Path path() {
    return path;
  }

  public CheckpointLayout layout() {
    return layout;
  }

  /** Layouts whose files are in the directory too; they were not read. */
  public List<CheckpointLayout> otherLayouts() {
    return otherLayouts;
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
    List<Path> sources = new ArrayList<>(attachments);
    configFile.filter(file -> !sources.contains(file)).ifPresent(sources::add);
    index.ifPresent(sources::add);
    files.forEach(file -> sources.add(file.path()));
    sources.sort(null);
    return List.copyOf(sources);
  }

  /**
   * The SHA-256 of a source file, in hexadecimal digits: of a weight file where it is mapped, whose
   * pages its tensors are read from as well.
   *
   * @param progress told the bytes read
   */
  public String sha256(Path source, ProgressListener progress) throws IOException {
    for (WeightFile file : files) {
      if (file.path().equals(source)) {
        return sha256(file, progress);
      }
    }
    return Sha256.of(source, progress);
  }

  private static String sha256(WeightFile file, ProgressListener progress) throws IOException {
    try {
      return Sha256.of(file.bytes(), progress);
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    }
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
    try {
      return CheckpointFingerprint.of(configFile, files);
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    }
  }

  /** Unmaps the weights, several files at once: the system takes 50 ms a gigabyte that was read. */
  @Override
  public void close() {
    files.parallelStream().forEach(WeightFile::close);
  }
}
