package bora.converter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.encoding.EncodedTensor;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackReader;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.QuantizationPolicy;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConversionTest {
  @TempDir private Path directory;

  private static Path example(String name) {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(root.resolve("examples"))) {
      root = root.getParent();
    }
    return root.resolve("examples").resolve(name);
  }

  private static Path copyOf(Path checkpoint, Path target) throws IOException {
    Files.createDirectory(target);
    try (Stream<Path> files = Files.list(checkpoint)) {
      for (Path file : files.toList()) {
        Files.copy(file, target.resolve(file.getFileName()));
      }
    }
    return target;
  }

  private static void convert(Path from, String policy, Path to, int threads) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(from)) {
      QuantizationPlan plan =
          Planner.plan(checkpoint, QuantizationPolicy.named(policy), ProgressListener.NONE);
      convert(checkpoint, plan, to, threads, ProgressListener.NONE);
    }
  }

  private static void convert(
      Checkpoint checkpoint, QuantizationPlan plan, Path to, int threads, ProgressListener progress)
      throws IOException {
    Conversion.run(
        checkpoint, plan, Optional.empty(), to, threads, Conversion.Leftover.DISCARD, progress);
  }

  @ParameterizedTest
  @ValueSource(strings = {"balanced", "q8", "bf16"})
  void anyNumberOfThreadsGivesTheSameBytes(String policy) throws IOException {
    Path one = directory.resolve("one.bora");
    convert(example("tiny-mixtral"), policy, one, 1);
    for (int threads : new int[] {2, 5}) {
      Path more = directory.resolve(threads + ".bora");
      convert(example("tiny-mixtral"), policy, more, threads);
      assertEquals(-1, Files.mismatch(one, more));
    }
  }

  @Test
  void thePlaceOfTheCheckpointDoesNotShowInTheBytes() throws IOException {
    Path here = directory.resolve("here.bora");
    Path there = directory.resolve("there.bora");
    convert(example("tiny-mistral"), "q6", here, 2);
    convert(copyOf(example("tiny-mistral"), directory.resolve("copy")), "q6", there, 2);
    assertEquals(-1, Files.mismatch(here, there));
  }

  @Test
  void aBf16PackHoldsTheCheckpointsValues() throws IOException {
    Path out = directory.resolve("exact.bora");
    convert(example("tiny-mixtral"), "bf16", out, 2);
    TensorKey key = TensorKey.ofExpert(1, 6, TensorRole.EXPERT_DOWN);
    try (Checkpoint checkpoint = Checkpoint.open(example("tiny-mixtral"));
        PackReader pack = PackReader.open(out)) {
      pack.checkIntegrity(ProgressListener.NONE);
      EncodedTensor encoded = pack.tensor(key);
      float[] expected = new float[encoded.shape().columns()];
      float[] found = new float[encoded.shape().columns()];
      for (int row = 0; row < encoded.shape().rows(); row++) {
        checkpoint.tensor(key).readRows(row, 1, expected, 0);
        encoded.decodeRow(row, found, 0);
        assertEquals(-1, java.util.Arrays.mismatch(expected, found), "row " + row);
      }
      assertTrue(pack.attachment("tokenizer.json").isPresent());
    }
  }

  @Test
  void progressAddsUpToTheWork() throws IOException {
    AtomicLong heard = new AtomicLong();
    try (Checkpoint checkpoint = Checkpoint.open(example("tiny-mistral"))) {
      QuantizationPlan plan =
          Planner.plan(checkpoint, QuantizationPolicy.named("q4"), ProgressListener.NONE);
      convert(checkpoint, plan, directory.resolve("x.bora"), 2, heard::addAndGet);
      assertEquals(Conversion.workBytes(checkpoint), heard.get());
    }
  }

  @Test
  void aWeightThatIsNoNumberStopsItAndKeepsTheOldPack() throws IOException {
    Path bad = copyOf(example("tiny-mistral"), directory.resolve("bad"));
    Path shard = bad.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(shard);
    ByteBuffer.wrap(bytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putShort(bytes.length - 20_000, (short) 0x7FC0);
    Files.write(shard, bytes);
    Path out = directory.resolve("kept.bora");
    Files.writeString(out, "an older pack");
    CorruptFileException failure =
        assertThrows(CorruptFileException.class, () -> convert(bad, "q4", out, 2));
    assertTrue(failure.getMessage().contains("NaN"), failure.getMessage());
    assertEquals("an older pack", Files.readString(out));
    assertFalse(Files.exists(directory.resolve("kept.bora.partial")));
  }

  @Test
  void aPlanOfAnotherCheckpointIsRefused() throws IOException {
    Path other = copyOf(example("tiny-mistral"), directory.resolve("other"));
    Path shard = other.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(shard);
    bytes[bytes.length - 1] ^= 1;
    Files.write(shard, bytes);
    Path file = directory.resolve("plan.json");
    try (Checkpoint original = Checkpoint.open(example("tiny-mistral"));
        Checkpoint changed = Checkpoint.open(other)) {
      Planner.plan(original, QuantizationPolicy.named("q8"), ProgressListener.NONE).write(file);
      String fingerprint = changed.fingerprint();
      assertThrows(
          MismatchedArtifactException.class,
          () -> QuantizationPlan.read(file, changed.config(), fingerprint));
    }
  }
}
