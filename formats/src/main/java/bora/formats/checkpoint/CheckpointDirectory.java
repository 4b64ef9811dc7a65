package bora.formats.checkpoint;

import bora.formats.CorruptFileException;
import bora.formats.json.StrictJson;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Which files of a directory make up a checkpoint. No file outside the directory is read, but for
 * the hub's cache, whose snapshots are links into the {@code blobs} beside them.
 */
record CheckpointDirectory(
    Path directory, Path config, Optional<Path> index, SortedMap<String, String> weightMap) {
  static final String CONFIG = Checkpoint.CONFIG_FILE;
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final long MAX_INDEX_BYTES = 64L << 20;

  /** Files that a pack carries along when they are there. */
  private static final List<String> ATTACHMENTS =
      List.of(
          "added_tokens.json",
          "chat_template.jinja",
          CONFIG,
          "generation_config.json",
          "special_tokens_map.json",
          "tokenizer.json",
          "tokenizer.model",
          "tokenizer_config.json");

  static CheckpointDirectory of(Path directory) throws IOException {
    if (!Files.exists(directory)) {
      throw new NoSuchFileException(
          directory.toString(), null, "no such checkpoint; expected a directory with config.json");
    }
    if (!Files.isDirectory(directory)) {
      throw new NotDirectoryException(
          directory + ": expected a checkpoint's directory, found a file");
    }
    Path config = directory.resolve(CONFIG);
    requireFile(directory, config, "is this a checkpoint as the hub serves it?");
    Path single = directory.resolve(SINGLE);
    Path index = directory.resolve(INDEX);
    if (Files.exists(single)) {
      return new CheckpointDirectory(directory, config, Optional.empty(), new TreeMap<>());
    }
    if (!Files.exists(index)) {
      throw noWeights(directory);
    }
    requireFile(directory, index, "");
    return new CheckpointDirectory(directory, config, Optional.of(index), readIndex(index));
  }

  private static CorruptFileException noWeights(Path directory) throws IOException {
    List<String> others;
    try (Stream<Path> files = Files.list(directory)) {
      others =
          files
              .map(file -> file.getFileName().toString())
              .filter(CheckpointDirectory::holdsOtherWeights)
              .sorted()
              .toList();
    }
    return new CorruptFileException(
        directory,
        "weights: expected "
            + SINGLE
            + " or "
            + INDEX
            + ", found "
            + (others.isEmpty() ? "neither" : others + "; only safetensors of the hub are read"));
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
        && !name.startsWith(".")
        && name.indexOf('/') < 0
        && name.indexOf('\\') < 0;
  }

  /** The files with weights, sorted; each exists. */
  List<Path> shards() throws IOException {
    SortedSet<String> names = new TreeSet<>(weightMap.values());
    if (index.isEmpty()) {
      names.add(SINGLE);
    }
    List<Path> shards = new ArrayList<>();
    for (String name : names) {
      Path shard = directory.resolve(name);
      requireFile(directory, shard, "the index names it; download it again");
      shards.add(shard);
    }
    return shards;
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

  private static boolean isAttachment(String name) {
    return ATTACHMENTS.contains(name) || name.startsWith("LICENSE") || name.startsWith("NOTICE");
  }

  private static void requireFile(Path directory, Path file, String hint) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new NoSuchFileException(
          file.toString(), null, "no such file" + (hint.isEmpty() ? "" : "; " + hint));
    }
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
