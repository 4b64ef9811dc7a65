package bora.converter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.converter.calibration.CalibrationRun;
import bora.converter.calibration.CoverageDemand;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackReader;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.QuantizationPolicy;
import bora.quantizer.calibration.Calibration;
import bora.quantizer.calibration.CalibrationSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/**
 * Rounding in sequence keeps every promise of a conversion, though tensors depend on each other.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SequentialConversionTest {
  private static final int WINDOW_TOKENS = 32;

  private static final String ONE_EXPERT_FINER =
      """
      {"name": "finer", "rules": [{"layers": "1", "experts": "2", "encoding": "q8"}], "default": "q3"}
      """;

  private Path directory;
  private Checkpoint checkpoint;
  private Calibration calibration;
  private Path alone;
  private Path finer;

  @BeforeAll
  void calibrates(@TempDir Path temporary) throws IOException {
    directory = temporary;
    checkpoint = Checkpoint.open(ConversionTest.example("tiny-mixtral"));
    calibration = calibrate(true, "c");
    alone = directory.resolve("alone.bora");
    finer = directory.resolve("finer.bora");
    run(List.of(target(plan("q3"), alone), target(finerExpert(), finer)), List.of(), 2);
  }

  @AfterAll
  void closes() {
    calibration.close();
    checkpoint.close();
  }

  private Calibration calibrate(boolean inSequence, String name) throws IOException {
    Random random = new Random(1);
    int vocabulary = checkpoint.config().vocabSize();
    List<int[]> windows = new ArrayList<>();
    for (int window = 0; window < 3; window++) {
      windows.add(random.ints(WINDOW_TOKENS, 3, vocabulary).toArray());
    }
    CalibrationSource source =
        new CalibrationSource(
            checkpoint.fingerprint(), "0".repeat(64), windows.size(), WINDOW_TOKENS, 0, "float32");
    Path file = directory.resolve(name);
    CalibrationRun.run(
        checkpoint,
        source,
        windows,
        CoverageDemand.NONE,
        inSequence,
        file,
        2,
        ProgressListener.NONE);
    return Calibration.open(file, checkpoint.config(), checkpoint.fingerprint());
  }

  private QuantizationPlan plan(String policy) throws IOException {
    return plan(QuantizationPolicy.named(policy));
  }

  private QuantizationPlan plan(QuantizationPolicy policy) throws IOException {
    return Planner.plan(checkpoint, policy, ProgressListener.NONE);
  }

  private QuantizationPlan finerExpert() throws IOException {
    Path file = Files.writeString(directory.resolve("rules.json"), ONE_EXPERT_FINER);
    return plan(QuantizationPolicy.read(file));
  }

  private static Conversion.Target target(QuantizationPlan plan, Path out) {
    return new Conversion.Target(plan, out);
  }

  private void run(List<Conversion.Target> targets, List<PackReader> reused, int threads)
      throws IOException {
    Conversion.run(
        checkpoint,
        targets,
        Optional.of(calibration),
        reused,
        threads,
        Conversion.Leftover.DISCARD,
        ProgressListener.NONE);
  }

  @Test
  void aTensorDependsOnThoseBeforeItAlone() throws IOException {
    try (PackReader one = PackReader.open(alone);
        PackReader other = PackReader.open(finer)) {
      one.manifest()
          .entries()
          .forEach(
              (key, entry) -> {
                if (key.role().isExact()) {
                  return;
                }
                String found = other.manifest().entries().get(key).checksum().sha256();
                boolean earlier = key.layer() == 0 || key.id().startsWith("embed");
                if (earlier) {
                  assertEquals(entry.checksum().sha256(), found, key.id());
                } else if (key.layer() == 2) {
                  assertNotEquals(entry.checksum().sha256(), found, key.id());
                }
              });
    }
  }

  @Test
  void anyNumberOfThreadsGivesTheSameBytes() throws IOException {
    Path again = directory.resolve("again.bora");
    run(List.of(target(plan("q3"), again)), List.of(), 5);
    assertEquals(-1, Files.mismatch(alone, again));
  }

  @Test
  void severalPacksOfOneRunAreThoseOfRunsOfTheirOwn() throws IOException {
    Path second = directory.resolve("second.bora");
    List<Conversion.Target> targets =
        List.of(target(plan("q8"), directory.resolve("first.bora")), target(finerExpert(), second));
    AtomicLong heard = new AtomicLong();
    Conversion.run(
        checkpoint,
        targets,
        Optional.of(calibration),
        List.of(),
        2,
        Conversion.Leftover.DISCARD,
        heard::addAndGet);
    assertEquals(-1, Files.mismatch(finer, second));
    assertEquals(Conversion.workBytes(checkpoint, Optional.of(calibration), 2), heard.get());
  }

  @Test
  void anInterruptedConversionIsContinuedToTheSameBytes() throws IOException {
    Path out = directory.resolve("resumed.bora");
    List<Conversion.Target> targets = List.of(target(plan("q3"), out));
    AtomicLong left =
        new AtomicLong(Conversion.workBytes(checkpoint, Optional.of(calibration), 1) * 3 / 4);
    ProgressListener interrupting =
        bytes -> {
          if (left.addAndGet(-bytes) < 0) {
            throw new IllegalStateException("interrupted here");
          }
        };
    assertThrows(IllegalStateException.class, () -> resume(targets, interrupting));
    assertFalse(Files.exists(out));
    resume(targets, ProgressListener.NONE);
    assertEquals(-1, Files.mismatch(alone, out));
  }

  private void resume(List<Conversion.Target> targets, ProgressListener progress)
      throws IOException {
    Conversion.run(
        checkpoint,
        targets,
        Optional.of(calibration),
        List.of(),
        2,
        Conversion.Leftover.RESUME,
        progress);
  }

  @Test
  void partsJoinToTheBytesOfOneRun() throws IOException {
    Path joined = directory.resolve("joined.bora");
    Conversion.Target target = target(plan("q3"), joined);
    for (int number = 3; number >= 1; number--) {
      assertTrue(
          PartConversion.run(
              checkpoint,
              target,
              Optional.of(calibration),
              number,
              3,
              2,
              Conversion.Leftover.DISCARD,
              ProgressListener.NONE));
    }
    PartConversion.join(checkpoint, target, Optional.of(calibration), 2, ProgressListener.NONE);
    assertEquals(-1, Files.mismatch(alone, joined));
  }

  /** The donor's tensors behind the one that it has otherwise are other bytes in its encoding. */
  @Test
  void fromAnEarlierPackIsTakenWhatWasRoundedAlike() throws IOException {
    Path reusing = directory.resolve("reusing.bora");
    try (PackReader pack = PackReader.open(finer)) {
      run(List.of(target(plan("q3"), reusing)), List.of(pack), 2);
    }
    assertEquals(-1, Files.mismatch(alone, reusing));
  }

  /** Layer 1 has the one difference. */
  @Test
  void ofAnEarlierPackIsOfferedWhatStandsBeforeTheFirstDifference() throws IOException {
    try (PackReader pack = PackReader.open(finer)) {
      EncodedTensors.Lookup offered =
          ReusedPacks.of(List.of(pack), checkpoint.fingerprint(), Optional.of(calibration))
              .forPack(plan("q3").encodings());
      for (TensorKey key : checkpoint.config().tensors().keySet()) {
        boolean before = key.layer() == 0 || key.role() == TensorRole.EMBEDDING;
        assertEquals(before, offered.find(key).isPresent(), key.id());
      }
    }
  }

  @Test
  void aCalibrationWithoutTokensRoundsEveryTensorApart() throws IOException {
    Path out = directory.resolve("apart.bora");
    try (Calibration apart = calibrate(false, "apart")) {
      Conversion.run(
          checkpoint,
          List.of(target(plan("q3"), out)),
          Optional.of(apart),
          List.of(),
          2,
          Conversion.Leftover.DISCARD,
          ProgressListener.NONE);
    }
    assertNotEquals(-1, Files.mismatch(alone, out));
  }
}
