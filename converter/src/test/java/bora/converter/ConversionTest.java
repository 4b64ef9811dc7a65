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
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConversionTest {
  @TempDir private Path directory;

  static Path example(String name) {
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

  private static QuantizationPlan plan(Checkpoint checkpoint, String policy) throws IOException {
    return Planner.plan(checkpoint, QuantizationPolicy.named(policy), ProgressListener.NONE);
  }

  @Test
  void severalPacksOfOneRunAreThoseOfRunsOfTheirOwn() throws IOException {
    List<String> policies = List.of("q6", "balanced", "q4");
    List<Path> alone = new ArrayList<>();
    List<Conversion.Target> targets = new ArrayList<>();
    try (Checkpoint checkpoint = Checkpoint.open(example("tiny-mixtral"))) {
      for (String policy : policies) {
        alone.add(directory.resolve(policy + ".bora"));
        convert(example("tiny-mixtral"), policy, alone.getLast(), 2);
        Path together = directory.resolve(policy + "-together.bora");
        targets.add(new Conversion.Target(plan(checkpoint, policy), together));
      }
      AtomicLong heard = new AtomicLong();
      Conversion.run(
          checkpoint,
          targets,
          Optional.empty(),
          List.of(),
          2,
          Conversion.Leftover.DISCARD,
          heard::addAndGet);
      assertEquals(
          Conversion.workBytes(checkpoint, Optional.empty(), 3),
          heard.get(),
          "the checkpoint is read once");
    }
    for (int i = 0; i < targets.size(); i++) {
      assertEquals(-1, Files.mismatch(alone.get(i), targets.get(i).out()));
    }
  }

  @Test
  void whatAnEarlierPackEncodedAlikeIsTakenFromIt() throws IOException {
    Path old = directory.resolve("old.bora");
    Path alone = directory.resolve("alone.bora");
    Path reusing = directory.resolve("reusing.bora");
    convert(example("tiny-mixtral"), "q6", old, 2);
    convert(example("tiny-mixtral"), "balanced", alone, 2);
    try (Checkpoint checkpoint = Checkpoint.open(example("tiny-mixtral"));
        PackReader donor = PackReader.open(old)) {
      List<Conversion.Target> targets =
          List.of(new Conversion.Target(plan(checkpoint, "balanced"), reusing));
      reuse(checkpoint, targets, donor);
      assertEquals(-1, Files.mismatch(alone, reusing));
    }
    // A damaged tensor that would be taken shows that it is taken, and checked.
    byte[] bytes = Files.readAllBytes(old);
    try (PackReader pack = PackReader.open(old)) {
      TensorKey key =
          pack.manifest().entries().values().stream()
              .filter(entry -> entry.key().expert() == 3)
              .findFirst()
              .orElseThrow()
              .key();
      bytes[(int) pack.manifest().entries().get(key).range().offsetBytes()] ^= 1;
    }
    Path damaged = Files.write(directory.resolve("damaged.bora"), bytes);
    try (Checkpoint checkpoint = Checkpoint.open(example("tiny-mixtral"));
        PackReader donor = PackReader.open(damaged)) {
      List<Conversion.Target> targets =
          List.of(new Conversion.Target(plan(checkpoint, "q6"), reusing));
      CorruptFileException failure =
          assertThrows(CorruptFileException.class, () -> reuse(checkpoint, targets, donor));
      assertTrue(failure.getMessage().contains("expert 3"), failure.getMessage());
    }
    try (Checkpoint other = Checkpoint.open(example("tiny-mistral"));
        PackReader donor = PackReader.open(old)) {
      assertThrows(MismatchedArtifactException.class, () -> reuse(other, List.of(), donor));
    }
  }

  private static void reuse(
      Checkpoint checkpoint, List<Conversion.Target> targets, PackReader donor) throws IOException {
    Conversion.run(
        checkpoint,
        targets,
        Optional.empty(),
        List.of(donor),
        2,
        Conversion.Leftover.DISCARD,
        ProgressListener.NONE);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 7})
  void partsJoinToTheBytesOfOneRun(int count) throws IOException {
    Path alone = directory.resolve("alone.bora");
    convert(example("tiny-mixtral"), "balanced", alone, 2);
    Path joined = directory.resolve("joined.bora");
    // Another machine has a copy of the checkpoint, of another time.
    Path copy = copyOf(example("tiny-mixtral"), directory.resolve("copy"));
    for (int number = count; number >= 1; number--) {
      Path from = number % 2 == 0 ? copy : example("tiny-mixtral");
      try (Checkpoint checkpoint = Checkpoint.open(from)) {
        Conversion.Target target = new Conversion.Target(plan(checkpoint, "balanced"), joined);
        assertTrue(runPart(checkpoint, target, number, count));
        assertFalse(runPart(checkpoint, target, number, count), "what is done stays done");
      }
    }
    try (Checkpoint checkpoint = Checkpoint.open(copy)) {
      Conversion.Target target = new Conversion.Target(plan(checkpoint, "balanced"), joined);
      PartConversion.join(checkpoint, target, Optional.empty(), 2, ProgressListener.NONE);
      assertEquals(-1, Files.mismatch(alone, joined));
      Files.delete(directory.resolve(String.format("joined.bora.part-00001-of-%05d", count)));
      assertThrows(
          NoSuchFileException.class,
          () ->
              PartConversion.join(checkpoint, target, Optional.empty(), 2, ProgressListener.NONE));
      Conversion.Target other = new Conversion.Target(plan(checkpoint, "q8"), joined);
      assertThrows(
          IOException.class,
          () -> PartConversion.join(checkpoint, other, Optional.empty(), 2, ProgressListener.NONE));
    }
  }

  private static boolean runPart(
      Checkpoint checkpoint, Conversion.Target target, int number, int count) throws IOException {
    return PartConversion.run(
        checkpoint,
        target,
        Optional.empty(),
        number,
        count,
        2,
        Conversion.Leftover.DISCARD,
        ProgressListener.NONE);
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
      assertEquals(Conversion.workBytes(checkpoint, Optional.empty(), 1), heard.get());
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
