package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Which files of a directory make up a checkpoint. Where several layouts are there, the first of
 * {@link CheckpointLayout} is taken. No file outside the directory is read, but for the hub's
 * cache, whose snapshots are links into the {@code blobs} beside them.
 *
 * @param others layouts whose files are there too and are not read
 * @param weightMap the file of each tensor, where there is an index
 */
record CheckpointDirectory(
    Path directory,
    CheckpointLayout layout,
    List<CheckpointLayout> others,
    Path config,
    Optional<Path> index,
    SortedMap<String, String> weightMap) {
  static final String CONFIG = Checkpoint.CONFIG_FILE;
  private static final int MAX_INDEX_BYTES = 64 << 20;

  /** Longer than any file system takes. */
  private static final int MAX_NAME_CHARS = 255;

  private static final Pattern NUMBERED = Pattern.compile("consolidated\\.(\\d{2})\\.pth?");

  /** Files that a pack carries along when they are there; the layout's config comes with them. */
  private static final List<String> ATTACHMENTS =
      List.of(
          "added_tokens.json",
          "chat_template.jinja",
          CONFIG,
          "generation_config.json",
          "special_tokens_map.json",
          "tekken.json",
          "tokenizer.json",
          "tokenizer.model",
          "tokenizer.model.v3",
          "tokenizer_config.json");

  static CheckpointDirectory of(Path directory) throws IOException {
    requireDirectory(directory);
    List<CheckpointLayout> found = new ArrayList<>();
    for (CheckpointLayout layout : CheckpointLayout.values()) {
      if (layout != CheckpointLayout.GGUF && hasWeights(directory, layout)) {
        found.add(layout);
      }
    }
    CheckpointLayout layout = choose(directory, found);
    List<CheckpointLayout> others = found.stream().filter(other -> other != layout).toList();
    Path config = configOf(directory, layout);
    Path index = directory.resolve(layout.indexName());
    if (layout.isNumbered() || Files.exists(directory.resolve(layout.weightsName()))) {
      return new CheckpointDirectory(
          directory, layout, others, config, Optional.empty(), new TreeMap<>());
    }
    requireFile(directory, index, "");
    return new CheckpointDirectory(
        directory, layout, others, config, Optional.of(index), readIndex(index));
  }

  /**
   * The file with the shape of the model in a directory, which may hold no weights.
   *
   * @throws NoSuchFileException when there is none
   */
  static Path configOf(Path directory) throws IOException {
    requireDirectory(directory);
    Path params = directory.resolve(CheckpointLayout.MISTRAL_SAFETENSORS.configName());
    boolean mistral = Files.exists(params) && !Files.exists(directory.resolve(CONFIG));
    return configOf(
        directory,
        mistral ? CheckpointLayout.MISTRAL_SAFETENSORS : CheckpointLayout.HUB_SAFETENSORS);
  }

  private static Path configOf(Path directory, CheckpointLayout layout) throws IOException {
    Path config = directory.resolve(layout.configName());
    requireFile(directory, config, "is this a checkpoint as the hub or Mistral AI serves it?");
    return config;
  }

  private static void requireDirectory(Path directory) throws IOException {
    if (!Files.exists(directory)) {
      throw new NoSuchFileException(
          directory.toString(),
          null,
          "no such checkpoint; expected a directory with config.json, or a GGUF file");
    }
    if (!Files.isDirectory(directory)) {
      throw new FileSystemException(
          directory.toString(),
          null,
          "expected a checkpoint's directory or a GGUF file, found another file");
    }
  }

  private static boolean hasWeights(Path directory, CheckpointLayout layout) throws IOException {
    return layout.isNumbered()
        ? !numberedFiles(directory).isEmpty()
        : Files.exists(directory.resolve(layout.weightsName()))
            || Files.exists(directory.resolve(layout.indexName()));
  }

  private static List<String> numberedFiles(Path directory) throws IOException {
    return names(directory, name -> NUMBERED.matcher(name).matches());
  }

  private static List<String> names(Path directory, Predicate<String> wanted) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).filter(wanted).sorted().toList();
    }
  }

  /** The first layout that is whole; where none is, the first, so that its lack is told. */
  private static CheckpointLayout choose(Path directory, List<CheckpointLayout> found)
      throws IOException {
    for (CheckpointLayout layout : found) {
      if (Files.exists(directory.resolve(layout.configName()))) {
        return layout;
      }
    }
    if (!found.isEmpty()) {
      return found.getFirst();
    }
    configOf(directory);
    throw noWeights(directory);
  }

  private static CorruptFileException noWeights(Path directory) throws IOException {
    List<String> others = names(directory, CheckpointDirectory::holdsOtherWeights);
    boolean gguf = others.stream().anyMatch(name -> name.endsWith(".gguf"));
    return new CorruptFileException(
        directory,
        "weights: expected model.safetensors, consolidated.safetensors, pytorch_model.bin, an index"
            + " of one of them, or consolidated.00.pth, found "
            + (others.isEmpty() ? "none" : others)
            + (gguf ? "; name the GGUF file itself" : ""));
  }

  private static boolean holdsOtherWeights(String name) {
    return name.endsWith(".bin")
        || name.endsWith(".pth")
        || name.endsWith(".pt")
        || name.endsWith(".gguf")
        || name.endsWith(".safetensors");
  }

  private static SortedMap<String, String> readIndex(Path index) throws IOException {
    SortedMap<String, String> weightMap = new TreeMap<>();
    JsonNode root = StrictJson.readObject(index, MAX_INDEX_BYTES);
    JsonNode map = root.path("weight_map");
    if (!map.isObject() || map.isEmpty()) {
      throw new CorruptFileException(
          index, "weight_map: expected an object that gives each tensor its file");
    }
    for (Map.Entry<String, JsonNode> field : map.properties()) {
      weightMap.put(field.getKey(), requirePlainName(index, field.getKey(), field.getValue()));
    }
    return weightMap;
  }

  private static String requirePlainName(Path index, String tensor, JsonNode node)
      throws CorruptFileException {
    String name = node.textValue();
    if (name == null || !isPlainName(name)) {
      throw new CorruptFileException(
          index,
          "weight_map: tensor `"
              + tensor
              + "`: expected the name of a file in this directory, found "
              + node);
    }
    return name;
  }

  private static boolean isPlainName(String name) {
    try {
      Path unused = Path.of(name);
    } catch (InvalidPathException e) {
      return false;
    }
    return !name.isEmpty()
        && name.length() <= MAX_NAME_CHARS
        && !name.startsWith(".")
        && name.chars().noneMatch(c -> c == '/' || c == '\\' || Character.isISOControl(c));
  }

  /** The files with weights, sorted; each exists. */
  List<Path> shards() throws IOException {
    SortedSet<String> names = new TreeSet<>(weightMap.values());
    if (layout.isNumbered()) {
      names.addAll(numberedFiles(directory));
      requireAllNumbers(names);
    } else if (index.isEmpty()) {
      names.add(layout.weightsName());
    }
    List<Path> shards = new ArrayList<>();
    for (String name : names) {
      Path shard = directory.resolve(name);
      requireFile(
          directory,
          shard,
          index.isPresent() ? "the index names it; download it again" : "download it again");
      shards.add(shard);
    }
    return shards;
  }

  private void requireAllNumbers(SortedSet<String> names) throws NoSuchFileException {
    int number = 0;
    for (String name : names) {
      Matcher matcher = NUMBERED.matcher(name);
      if (!matcher.matches() || Integer.parseInt(matcher.group(1)) != number) {
        String missing = String.format(Locale.ROOT, "consolidated.%02d.pth", number);
        throw new NoSuchFileException(
            directory.resolve(missing).toString(),
            null,
            "no such file, but found " + name + "; download it again");
      }
      number++;
    }
  }

  /** Tokenizer, chat template and licence files, sorted. */
  List<Path> attachments() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      List<Path> found =
          files.filter(file -> isAttachment(file.getFileName().toString())).sorted().toList();
      for (Path file : found) {
        requireFile(directory, file, "");
      }
      return found;
    }
  }

  private boolean isAttachment(String name) {
    return ATTACHMENTS.contains(name)
        || name.equals(layout.configName())
        || name.startsWith("LICENSE")
        || name.startsWith("NOTICE");
  }

  private static void requireFile(Path directory, Path file, String hint) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new NoSuchFileException(
          file.toString(), null, "no such file" + (hint.isEmpty() ? "" : "; " + hint));
    }
    requireWithin(directory, file);
  }

  /**
   * As {@link Checkpoint#requireWithin}.
   *
   * @param file one that exists
   */
  static void requireWithin(Path directory, Path file) throws IOException {
    Path home = directory.toRealPath();
    Path real = file.toRealPath();
    boolean inHubCache =
        home.getParent() != null
            && home.getParent().endsWith("snapshots")
            && real.startsWith(home.getParent().resolveSibling("blobs"));
    if (!real.startsWith(home) && !inHubCache) {
      throw new CorruptFileException(
          file,
          "a link that leaves the checkpoint: expected a file in " + home + ", found " + real);
    }
  }
}
