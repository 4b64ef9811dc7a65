package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.checkpoint.Checkpoint;
import bora.quantizer.calibration.Calibration;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** From a text's tokens to a pack within a budget. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class CalibrateCommandTest {
  private static final Path MIXTRAL = CommandLineRun.example("tiny-mixtral");
  private static final Path MISTRAL = CommandLineRun.example("tiny-mistral");

  private Path directory;
  private Path tokens;
  private Path calibration;

  @BeforeAll
  void calibrates(@TempDir Path temporary) throws IOException {
    directory = temporary;
    tokens = randomTokens("tokens", 1000);
    calibration = directory.resolve("c");
    CommandLineRun run = calibrate(MIXTRAL, calibration, "--sensitivity-windows", 1);
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(run.err().contains("tokens an expert saw"), run.err());
  }

  private Path randomTokens(String name, int below) throws IOException {
    String ids =
        new Random(1)
            .ints(200, 3, below)
            .mapToObj(String::valueOf)
            .collect(Collectors.joining(" "));
    return Files.writeString(directory.resolve(name), ids);
  }

  private CommandLineRun calibrate(Path checkpoint, Path out, Object... more) {
    return calibrate(checkpoint, tokens, out, more);
  }

  private static CommandLineRun calibrate(Path checkpoint, Path text, Path out, Object... more) {
    Object[] start = {
      "calibrate", checkpoint, "--tokens", text, "--windows", 3, "--window", 64, "-o", out
    };
    Object[] all = new Object[start.length + more.length];
    System.arraycopy(start, 0, all, 0, start.length);
    System.arraycopy(more, 0, all, start.length, more.length);
    return CommandLineRun.of(all);
  }

  @ParameterizedTest
  @ValueSource(longs = {4_600_000, 6_000_000})
  void thePackFillsItsSizeAndNeverExceedsIt(long size) throws IOException {
    Path pack = directory.resolve(size + ".bora");
    Path plan = directory.resolve(size + ".json");
    CommandLineRun planned =
        CommandLineRun.of(
            "plan",
            MIXTRAL,
            "--size",
            size,
            "--profile",
            "fast",
            "--calibration",
            calibration,
            "-o",
            plan);
    assertEquals(0, planned.exitCode(), planned.err());
    CommandLineRun converted =
        CommandLineRun.of(
            "convert", MIXTRAL, "--plan", plan, "--calibration", calibration, "-o", pack);
    assertEquals(0, converted.exitCode(), converted.err());
    JsonNode json = new ObjectMapper().readTree(CommandLineRun.of("inspect", pack, "--json").out());
    long attached = 0;
    for (JsonNode attachment : json.path("attachments")) {
      attached += attachment.path("bytes").longValue();
    }
    long used = Files.size(pack) - attached;
    assertTrue(used <= size && used > 0.97 * size, used + " of " + size);
    assertNotEquals("null", json.path("provenance").path("calibration").asText());
    Path again = directory.resolve(size + "-again.bora");
    CommandLineRun.of(
        "convert",
        MIXTRAL,
        "--plan",
        plan,
        "--calibration",
        calibration,
        "-o",
        again,
        "--threads",
        1);
    assertEquals(-1, Files.mismatch(pack, again), "bytes with one thread");
  }

  /** Fields of a plan's tensors that are alike where matrices of a layer share an encoding. */
  @ParameterizedTest
  @CsvSource({
    "model, config, true",
    "layer, layer, true",
    "projection, layer role, true",
    "expert, layer expert, true",
    "tensor, layer role, false"
  })
  void matricesShareEncodingsWhereAskedTo(String granularity, String fields, boolean shared)
      throws IOException {
    Path plan = directory.resolve(granularity + ".json");
    CommandLineRun run =
        CommandLineRun.of(
            "plan",
            MIXTRAL,
            "--bits",
            5.3,
            "--granularity",
            granularity,
            "--calibration",
            calibration,
            "-o",
            plan);
    assertEquals(0, run.exitCode(), run.err());
    Map<String, Set<String>> encodings = new HashMap<>();
    for (JsonNode tensor : new ObjectMapper().readTree(plan.toFile()).path("tensors")) {
      boolean exact = tensor.path("reason").asText().equals("always exact");
      if (!exact && !tensor.path("layer").isNull()) {
        String unit =
            Arrays.stream(fields.split(" "))
                .map(field -> tensor.path(field).asText())
                .collect(Collectors.joining(" "));
        encodings.computeIfAbsent(unit, _ -> new HashSet<>()).add(tensor.path("encoding").asText());
      }
    }
    assertEquals(shared, encodings.values().stream().allMatch(found -> found.size() == 1));
  }

  /** Sensitivities take most of the time, so those of the larger model are not measured here. */
  @Test
  void calibrationsAreTheSameBytesWithAnyNumberOfThreads() throws IOException {
    assertSameBytesWithAnyNumberOfThreads(MIXTRAL, tokens, 0);
    Path small = CommandLineRun.geometry("three-experts");
    assertSameBytesWithAnyNumberOfThreads(small, randomTokens("small", 47), 1);
  }

  private void assertSameBytesWithAnyNumberOfThreads(
      Path checkpoint, Path text, int sensitivityWindows) throws IOException {
    List<Path> files = new ArrayList<>();
    for (int threads : new int[] {1, 3}) {
      Path out = directory.resolve(checkpoint.getFileName() + "-" + threads);
      CommandLineRun run =
          calibrate(
              checkpoint,
              text,
              out,
              "--threads",
              threads,
              "--sensitivity-windows",
              sensitivityWindows);
      assertEquals(0, run.exitCode(), run.err());
      files.add(out);
    }
    assertEquals(-1, Files.mismatch(files.get(0), files.get(1)));
  }

  private CommandLineRun plan(long size) {
    return CommandLineRun.of(
        "plan", MIXTRAL, "--size", size, "--profile", "fast", "--calibration", calibration);
  }

  @Test
  void aTooSmallBudgetIsRefusedWithTheSmallest() {
    CommandLineRun run = plan(1_000_000);
    assertEquals(3, run.exitCode());
    Matcher reason = Pattern.compile("expected at least (\\d+) bytes").matcher(run.err());
    assertTrue(reason.find(), run.err());
    long smallest = Long.parseLong(reason.group(1));
    assertEquals(3, plan(smallest - 1).exitCode());
    CommandLineRun enough = plan(smallest);
    assertEquals(0, enough.exitCode(), enough.err());
  }

  @Test
  void refusesACheckpointThatComputesNoNumbers() throws IOException {
    CheckpointCopy copy = new CheckpointCopy(MIXTRAL, directory.resolve("infinite"));
    copy.scale("model.layers.1.self_attn.o_proj", (row, column) -> row + column == 0 ? 1000 : 0);
    Path out = directory.resolve("none");
    CommandLineRun run = calibrate(copy.write(), out);
    assertEquals(3, run.exitCode());
    assertTrue(run.err().contains("finite"), run.err());
    assertFalse(Files.exists(out));
  }

  /** Damaged by someone who knew about checksums. */
  @ParameterizedTest
  @CsvSource({
    "NaN,      layer 0 q: expected finite numbers",
    "Infinity, layer 0 q: expected finite numbers",
    "-1e12,    layer 0 q: second moments: column"
  })
  void refusesMomentsThatAreNone(float moment, String reason) throws IOException {
    Path apart = directory.resolve("apart");
    if (!Files.exists(apart)) {
      CommandLineRun run =
          calibrate(MIXTRAL, apart, "--rounding", "apart", "--sensitivity-windows", 0);
      assertEquals(0, run.exitCode(), run.err());
    }
    CalibrationCopy copy = new CalibrationCopy(apart);
    copy.setFirstMoment(moment);
    Path out = directory.resolve("none.bora");
    CommandLineRun run =
        CommandLineRun.of(
            "convert", MIXTRAL, "--policy", "q4", "--calibration", write(copy), "-o", out);
    assertEquals(3, run.exitCode());
    assertTrue(run.err().contains(reason), run.err());
    assertFalse(Files.exists(out));
  }

  @ParameterizedTest
  @CsvSource({
    "divergence, NaN, JSON",
    "divergence, 1e999, divergence: expected a finite number",
    "mass, -1, mass: expected a finite number",
    "loss, 1e999, loss: expected a finite number",
    "t3, 1e999, t3: expected a finite number"
  })
  void refusesStatisticsThatAreNoNumbers(String field, String value, String reason)
      throws IOException {
    CalibrationCopy copy = new CalibrationCopy(calibration);
    copy.setFirst(field, value);
    CommandLineRun run =
        CommandLineRun.of("plan", MIXTRAL, "--bits", 5, "--calibration", write(copy));
    assertEquals(3, run.exitCode());
    assertTrue(run.err().contains(reason), run.err());
  }

  private Path write(CalibrationCopy copy) throws IOException {
    return copy.write(directory.resolve("damaged"));
  }

  @Test
  void aPlanByWeightsAloneSaysSo() {
    Path plan = directory.resolve("alone.json");
    CommandLineRun run =
        CommandLineRun.of(
            "plan",
            CommandLineRun.geometry("odd-widths"),
            "--bits",
            8,
            "--profile",
            "fast",
            "-o",
            plan);
    assertEquals(0, run.exitCode(), run.err());
    assertTrue(run.err().contains("no --calibration"), run.err());
  }

  @Test
  void refusesACalibrationOfAnotherCheckpoint() {
    CommandLineRun run =
        CommandLineRun.of(
            "convert",
            MISTRAL,
            "--policy",
            "q4",
            "--calibration",
            calibration,
            "-o",
            directory.resolve("no.bora"));
    assertEquals(3, run.exitCode());
    assertTrue(run.err().contains("another checkpoint"), run.err());
    assertFalse(Files.exists(directory.resolve("no.bora")));
  }

  @ParameterizedTest
  @CsvSource({
    "'', expected at least one id",
    "1 2 3, too short: expected at least 512 tokens",
    "1 2 999999, tokens of another model",
  })
  void refusesTokensThatNothingCanBeLearntFrom(String content, String reason) throws IOException {
    Path text = Files.writeString(directory.resolve("brief"), content);
    CommandLineRun run =
        CommandLineRun.of("calibrate", MIXTRAL, "--tokens", text, "-o", directory.resolve("no"));
    assertEquals(3, run.exitCode());
    assertTrue(run.err().contains("brief") && run.err().contains(reason), run.err());
    assertFalse(Files.exists(directory.resolve("no")));
  }

  /** What a calibration was made of is in it: nothing but the text that was named. */
  @Test
  void everyWindowIsAPieceOfTheText() throws IOException {
    String text = " " + Files.readString(tokens).strip() + " ";
    try (Checkpoint checkpoint = Checkpoint.open(MIXTRAL);
        Calibration read =
            Calibration.open(calibration, checkpoint.config(), checkpoint.fingerprint())) {
      assertEquals(3, read.windows().size());
      for (int[] window : read.windows()) {
        String piece =
            IntStream.of(window)
                .skip(1)
                .mapToObj(String::valueOf)
                .collect(Collectors.joining(" ", " ", " "));
        assertTrue(text.contains(piece), piece);
      }
    }
  }

  @Test
  void poorCoverageFailsWhereItIsAskedForAndLeavesNothing() {
    Path out = directory.resolve("gate");
    CommandLineRun run = calibrate(MIXTRAL, out, "--min-tokens", 1000);
    assertEquals(3, run.exitCode());
    assertTrue(run.err().contains("expert 0: expected at least 1000 tokens"), run.err());
    assertFalse(Files.exists(out), "a calibration that was refused");
  }
}
