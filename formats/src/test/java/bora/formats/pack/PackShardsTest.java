package bora.formats.pack;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.model.TensorKey;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PackShardsTest {
  @TempDir private Path directory;
  private Path whole;
  private List<Path> shards;

  @BeforeEach
  void splitsAPack() throws IOException {
    whole = PackFixture.tiny().write(directory.resolve("whole.bora"));
    try (PackReader pack = PackReader.open(whole)) {
      shards = split(pack, smallest(pack));
    }
  }

  /** The size that the refusal of an impossible one tells. */
  private static long smallest(PackReader pack) {
    for (long size = 1; ; ) {
      try {
        PackShards.cut(pack, size);
        return size;
      } catch (MismatchedArtifactException e) {
        size = Long.parseLong(e.getMessage().replaceAll(".*at least ([0-9]+) bytes.*", "$1"));
      }
    }
  }

  private List<Path> split(PackReader pack, long maxBytes) throws IOException {
    List<ByteRange> ranges = PackShards.cut(pack, maxBytes);
    List<String> names = ShardName.all("split", ranges.size());
    List<Path> files = new ArrayList<>();
    for (int i = 0; i < ranges.size(); i++) {
      Path file = directory.resolve(names.get(i));
      byte[] bytes = Files.readAllBytes(whole);
      ByteRange range = ranges.get(i);
      assertTrue(range.lengthBytes() <= maxBytes);
      Files.write(
          file, Arrays.copyOfRange(bytes, (int) range.offsetBytes(), (int) range.endBytes()));
      files.add(file);
    }
    return files;
  }

  @Test
  void shardsOpenAsThePackThatTheyWereCutFrom() throws IOException {
    assertTrue(shards.size() > 2, shards.toString());
    try (PackReader pack = PackReader.open(whole)) {
      for (Path shard : shards) {
        try (PackReader split = PackReader.open(shard)) {
          assertEquals(pack.manifest(), split.manifest());
          assertEquals(pack.byteSize(), split.byteSize());
          assertEquals(shards, split.files());
          split.checkIntegrity(ProgressListener.NONE);
          for (TensorKey key : pack.config().tensors().keySet()) {
            assertArrayEquals(bytes(pack, key), bytes(split, key));
          }
          ByteRange all = new ByteRange(0, pack.byteSize());
          List<MemorySegment> pieces = split.bytes(all);
          assertEquals(shards.size(), pieces.size());
          assertEquals(Files.size(whole), pieces.stream().mapToLong(MemorySegment::byteSize).sum());
        }
        assertTrue(PackReader.isPack(shard));
      }
    }
  }

  private static byte[] bytes(PackReader pack, TensorKey key) {
    return pack.tensor(key).bytes().toArray(ValueLayout.JAVA_BYTE);
  }

  @Test
  void everyExpertIsWholePagesOfOneShard() throws IOException {
    try (PackReader pack = PackReader.open(whole)) {
      Set<Long> starts = new HashSet<>();
      PackShards.cut(pack, smallest(pack)).forEach(range -> starts.add(range.offsetBytes()));
      for (PackEntry entry : pack.manifest().entries().values()) {
        starts.remove(entry.range().offsetBytes());
      }
      assertEquals(Set.of(0L), starts, "cut elsewhere than where a tensor begins");
      for (ByteRange range : PackShards.cut(pack, smallest(pack))) {
        assertEquals(0, range.offsetBytes() % 4096);
      }
    }
  }

  @Test
  void aPackThatFitsStaysWhole() throws IOException {
    try (PackReader pack = PackReader.open(whole)) {
      assertEquals(
          List.of(new ByteRange(0, pack.byteSize())), PackShards.cut(pack, pack.byteSize()));
    }
    assertEquals(List.of("m.bora"), ShardName.all("m", 1));
  }

  @Test
  void aMissingShardIsNamed() throws IOException {
    Files.delete(shards.get(1));
    NoSuchFileException missing =
        assertThrows(NoSuchFileException.class, () -> PackReader.open(shards.get(0)));
    assertEquals(shards.get(1).toString(), missing.getFile());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, -1})
  void shardsThatAreNotOfOnePackAreRefused(int which) throws IOException {
    Path file = which < 0 ? shards.getLast() : shards.get(which);
    byte[] bytes = Files.readAllBytes(file);
    for (byte[] other :
        List.of(
            new byte[0],
            Arrays.copyOf(bytes, bytes.length - 64),
            Arrays.copyOf(bytes, bytes.length + 4096),
            Arrays.copyOf(bytes, 20))) {
      Files.write(file, other);
      assertThrows(CorruptFileException.class, () -> PackReader.open(shards.get(0)).close());
    }
    Files.write(file, bytes);
    PackReader.open(shards.get(0)).close();
  }

  @Test
  void aShardInAnothersPlaceIsRefused() throws IOException {
    byte[] first = Files.readAllBytes(shards.get(0));
    Files.copy(shards.get(1), shards.get(0), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    Files.write(shards.get(1), first);
    assertThrows(CorruptFileException.class, () -> PackReader.open(shards.get(0)).close());
  }

  @Test
  void namesOfShardsAreToldFromOthers() {
    assertEquals(
        Optional.of(new ShardName("m-4.5bpw", 2, 3)),
        ShardName.of(Path.of("a/m-4.5bpw-00002-of-00003.bora")));
    for (String name :
        List.of("m.bora", "m-00004-of-00003.bora", "m-00000-of-00003.bora", "-0001-of-0003.bora")) {
      assertFalse(ShardName.of(Path.of(name)).isPresent(), name);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 40})
  void partsHoldEveryTensorOnceInOrder(int count) {
    PackLayout layout = PackFixture.tiny().layout();
    List<TensorKey> together = new ArrayList<>();
    for (int number = 1; number <= count; number++) {
      LayoutPart part = LayoutPart.of(layout, number, count);
      together.addAll(part.tensors());
      assertEquals(part.tensors().isEmpty(), part.lengthBytes() == 0);
    }
    assertEquals(List.copyOf(layout.tensors().keySet()), together);
    assertThrows(IllegalArgumentException.class, () -> LayoutPart.of(layout, 0, count));
    assertThrows(IllegalArgumentException.class, () -> LayoutPart.of(layout, count + 1, count));
  }
}
