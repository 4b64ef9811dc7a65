package bora.formats.checkpoint;

import static bora.formats.FileErrors.assertCorrupt;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which files make up a checkpoint, and which are never read. */
class CheckpointDirectoryTest {
  private static final String SHARD = "model-00002-of-00003.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final String NORM = "model.norm.weight";

  @TempDir Path temporary;
  private Path directory;

  @BeforeEach
  void setUp() {
    directory = temporary.resolve("checkpoint");
  }

  private Path sharded() throws IOException {
    return CheckpointFixture.mixtral().shards(3).write(directory);
  }

  private void assertMissing(Path file, String hint) {
    NoSuchFileException thrown =
        assertThrows(NoSuchFileException.class, () -> Checkpoint.open(directory));
    assertEquals(file.toString(), thrown.getFile());
    assertTrue(thrown.getReason().contains(hint), thrown.getMessage());
  }

  @Test
  void missingDirectoryIsNamed() {
    assertMissing(directory, "expected a directory with config.json");
  }

  @Test
  void fileInPlaceOfTheDirectoryIsRefused() throws IOException {
    Files.writeString(directory, "");
    assertThrows(FileSystemException.class, () -> Checkpoint.open(directory));
  }

  @Test
  void missingConfigIsNamed() throws IOException {
    Files.delete(sharded().resolve("config.json"));
    assertMissing(directory.resolve("config.json"), "is this a checkpoint");
  }

  @Test
  void missingShardIsNamed() throws IOException {
    Files.delete(sharded().resolve(SHARD));
    assertMissing(directory.resolve(SHARD), "the index names it; download it again");
  }

  @Test
  void directoryInPlaceOfAShardIsRefused() throws IOException {
    Files.delete(sharded().resolve(SHARD));
    Files.createDirectory(directory.resolve(SHARD));
    assertMissing(directory.resolve(SHARD), "no such file");
  }

  @Test
  void pointerInPlaceOfAShardIsNamed() throws IOException {
    Path shard = sharded().resolve(SHARD);
    Files.writeString(shard, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    assertCorrupt(shard, () -> Checkpoint.open(directory), "Git LFS pointer", "git lfs pull");
  }

  @Test
  void truncatedShardIsNamed() throws IOException {
    Path shard = sharded().resolve(SHARD);
    try (FileChannel channel = FileChannel.open(shard, StandardOpenOption.WRITE)) {
      channel.truncate(channel.size() - 1);
    }
    assertCorrupt(shard, () -> Checkpoint.open(directory), "was the download cut short?");
  }

  @Test
  void tensorInTwoShardsIsRefused() throws IOException {
    Path shard = sharded().resolve(SHARD);
    Path first = directory.resolve("model-00001-of-00003.safetensors");
    Files.copy(first, shard, StandardCopyOption.REPLACE_EXISTING);
    assertCorrupt(
        shard, () -> Checkpoint.open(directory), "tensor `", "stands in " + first + " too");
  }

  @Test
  void indexThatNamesTheWrongShardIsRefused() throws IOException {
    CheckpointFixture.mixtral()
        .shards(3)
        .index("model.embed_tokens.weight", SHARD)
        .write(directory);
    assertCorrupt(
        directory.resolve(SHARD),
        () -> Checkpoint.open(directory),
        "tensor `model.embed_tokens.weight`: expected here by the index, found in ",
        "model-00001-of-00003.safetensors");
  }

  @Test
  void indexThatNamesATensorOfNoShardIsRefused() throws IOException {
    CheckpointFixture.mixtral().shards(3).index("ghost", SHARD).write(directory);
    assertCorrupt(
        directory.resolve(SHARD), () -> Checkpoint.open(directory), "`ghost`", "found nowhere");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../x",
        "/etc/passwd",
        "a/b",
        "..",
        ".",
        "",
        ".hidden",
        "a\\b",
        "a\u0000b",
        "../../x",
        "\ud800.safetensors"
      })
  void namesThatLeaveTheDirectoryAreRefused(String name) throws IOException {
    Files.createDirectories(directory.resolve("a"));
    Files.writeString(directory.resolve("a/b"), "");
    Files.writeString(temporary.resolve("x"), "");
    CheckpointFixture.mixtral().shards(3).write(directory);
    // Written by hand: a JSON writer would not write a lone surrogate.
    String escaped = name.replace("\\", "\\\\").replace("\u0000", "\\u0000");
    escaped = escaped.replace("\ud800", "\\ud800");
    Files.writeString(
        directory.resolve(INDEX), "{\"weight_map\": {\"" + NORM + "\": \"" + escaped + "\"}}");
    assertCorrupt(
        directory.resolve(INDEX),
        () -> Checkpoint.open(directory),
        "weight_map: tensor `" + NORM + "`: expected the name of a file in this directory");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}", "{\"weight_map\": {}}", "{\"weight_map\": []}", "{\"weight_map\": {\"a\": 1}}",
        "{\"weight_map\": {\"a\": null}}", "[]", "{", "{\"weight_map\": {\"a\":\"x\",\"a\":\"x\"}}"
      })
  void brokenIndexIsNamed(String json) throws IOException {
    Path index = Files.writeString(sharded().resolve(INDEX), json);
    assertCorrupt(index, () -> Checkpoint.open(directory));
  }

  @ParameterizedTest
  @ValueSource(strings = {SHARD, "config.json", INDEX, "tokenizer.json"})
  void linkThatLeavesTheCheckpointIsRefused(String name) throws IOException {
    Path file = sharded().resolve(name);
    Path outside = temporary.resolve("outside");
    if (Files.exists(file)) {
      Files.move(file, outside);
    } else {
      Files.writeString(outside, "{}");
    }
    Files.createSymbolicLink(file, outside);
    assertCorrupt(
        file,
        () -> Checkpoint.open(directory),
        "a link that leaves the checkpoint: expected a file in ",
        "found " + outside.toRealPath());
  }

  @Test
  void linkWithinTheCheckpointIsFollowed() throws IOException {
    Path shard = sharded().resolve(SHARD);
    Files.move(shard, directory.resolve("renamed"));
    Files.createSymbolicLink(shard, Path.of("renamed"));
    Checkpoint.open(directory).close();
  }

  @Test
  void hubCacheSnapshotsAreAccepted() throws IOException {
    Path blobs = Files.createDirectories(temporary.resolve("models--x/blobs"));
    directory = temporary.resolve("models--x/snapshots/0123abc");
    sharded();
    int blob = 0;
    for (Path file : files(directory)) {
      Path target = blobs.resolve("blob" + blob++);
      Files.move(file, target);
      Files.createSymbolicLink(file, Path.of("../../blobs").resolve(target.getFileName()));
    }
    Checkpoint.open(directory).close();
    Path reference = temporary.resolve("by-link");
    Files.createSymbolicLink(reference, directory);
    Checkpoint.open(reference).close();
  }

  @Test
  void snapshotMayNotLinkBesideTheBlobs() throws IOException {
    directory = temporary.resolve("models--x/snapshots/0123abc");
    Path config = sharded().resolve("config.json");
    Path outside = Files.createDirectories(temporary.resolve("models--x/blobsy")).resolve("c");
    Files.move(config, outside);
    Files.createSymbolicLink(config, outside);
    assertCorrupt(config, () -> Checkpoint.open(directory), "a link that leaves the checkpoint");
  }

  private static List<Path> files(Path directory) throws IOException {
    try (var files = Files.list(directory)) {
      return files.sorted().toList();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"training.bin", "model.pt", "model-00001-of-00002.safetensors"})
  void otherWeightFilesAreNamed(String name) throws IOException {
    Files.delete(CheckpointFixture.mistral().write(directory).resolve("model.safetensors"));
    Files.writeString(directory.resolve(name), "");
    assertCorrupt(
        directory,
        () -> Checkpoint.open(directory),
        "weights: expected model.safetensors",
        "found [" + name + "]");
  }

  @Test
  void ggufInADirectoryIsToBeNamedItself() throws IOException {
    Files.delete(CheckpointFixture.mistral().write(directory).resolve("model.safetensors"));
    Files.writeString(directory.resolve("model.gguf"), "");
    assertCorrupt(directory, () -> Checkpoint.open(directory), "name the GGUF file itself");
  }

  @Test
  void directoryWithoutWeightsIsRefused() throws IOException {
    Files.delete(CheckpointFixture.mistral().write(directory).resolve("model.safetensors"));
    assertCorrupt(directory, () -> Checkpoint.open(directory), "found none");
  }

  @Test
  void filesThatCountAreSortedAndOthersAreNot() throws IOException {
    sharded();
    for (String name :
        List.of("tokenizer.json", "LICENSE.txt", "NOTICE", "README.md", "x.bin", "training_args")) {
      Files.writeString(directory.resolve(name), "{}");
    }
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      assertEquals(
          List.of("LICENSE.txt", "NOTICE", "config.json", "tokenizer.json"),
          checkpoint.attachmentFiles().stream().map(f -> f.getFileName().toString()).toList());
      assertEquals(
          List.of(
              "LICENSE.txt",
              "NOTICE",
              "config.json",
              "model-00001-of-00003.safetensors",
              SHARD,
              "model-00003-of-00003.safetensors",
              INDEX,
              "tokenizer.json"),
          checkpoint.sourceFiles().stream().map(f -> f.getFileName().toString()).toList());
    }
  }

  @Test
  void missingNumberOfMistralsFilesIsNamed() throws IOException {
    CheckpointFixture.mixtral().write(directory);
    Path relaid = temporary.resolve("relaid");
    RelaidCheckpoint.of(directory).write(RelaidCheckpoint.Target.MISTRAL_PT_STACKED, relaid);
    Files.delete(relaid.resolve("consolidated.00.pt"));
    NoSuchFileException thrown =
        assertThrows(NoSuchFileException.class, () -> Checkpoint.open(relaid));
    assertEquals(relaid.resolve("consolidated.00.pth").toString(), thrown.getFile());
    assertTrue(thrown.getReason().contains("found consolidated.01.pt"), thrown.getMessage());
  }

  @Test
  void mistralsWeightsWithoutTheirParamsAreNamed() throws IOException {
    CheckpointFixture.mixtral().write(directory);
    Path relaid = temporary.resolve("relaid");
    RelaidCheckpoint.of(directory).write(RelaidCheckpoint.Target.MISTRAL_PTH, relaid);
    Files.delete(relaid.resolve("params.json"));
    NoSuchFileException thrown =
        assertThrows(NoSuchFileException.class, () -> Checkpoint.open(relaid));
    assertEquals(relaid.resolve("params.json").toString(), thrown.getFile());
  }
}
