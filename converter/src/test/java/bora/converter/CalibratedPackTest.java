package bora.converter;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.converter.calibration.CalibrationRun;
import bora.converter.calibration.CoverageDemand;
import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackReader;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPolicy;
import bora.quantizer.calibration.Calibration;
import bora.quantizer.calibration.CalibrationSource;
import bora.verifier.ConversionResult;
import bora.verifier.TensorError;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Channels folded, errors fed back, inputs corrected, from far too few tokens: such packs keep what
 * the conversion check asks for, and damage to them does not.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class CalibratedPackTest {
  private static final int WINDOW_TOKENS = 64;

  /** The coarsest grid, and trellis codes where experts are exchanged; these take long to find. */
  private static final String COARSE =
      """
      {"name": "coarse", "rules": [{"layers": "0", "experts": "2,6", "encoding": "t2"}], "default": "q2"}
      """;

  private Path directory;
  private Path calibration;

  @BeforeAll
  void calibrates(@TempDir Path temporary) throws IOException {
    directory = temporary;
    calibration = directory.resolve("calibration");
    try (Checkpoint checkpoint = open()) {
      Random random = new Random(1);
      List<int[]> windows = new ArrayList<>();
      for (int window = 0; window < 3; window++) {
        windows.add(random.ints(WINDOW_TOKENS, 3, checkpoint.config().vocabSize()).toArray());
      }
      CalibrationSource source =
          new CalibrationSource(
              checkpoint.fingerprint(),
              "0".repeat(64),
              windows.size(),
              WINDOW_TOKENS,
              0,
              "float32");
      CalibrationRun.run(
          checkpoint,
          source,
          windows,
          CoverageDemand.NONE,
          true,
          calibration,
          2,
          ProgressListener.NONE);
    }
  }

  private static Checkpoint open() throws IOException {
    return Checkpoint.open(ConversionTest.example("tiny-mixtral"));
  }

  /** Converts once for all tests. */
  private Path convert(String policy) throws IOException {
    Path out = directory.resolve(policy + ".bora");
    if (Files.exists(out)) {
      return out;
    }
    try (Checkpoint checkpoint = open();
        Calibration seen =
            Calibration.open(calibration, checkpoint.config(), checkpoint.fingerprint())) {
      Conversion.run(
          checkpoint,
          Planner.plan(checkpoint, policy(policy), ProgressListener.NONE),
          Optional.of(seen),
          out,
          2,
          Conversion.Leftover.DISCARD,
          ProgressListener.NONE);
    }
    return out;
  }

  private QuantizationPolicy policy(String name) throws IOException {
    return name.equals("coarse")
        ? QuantizationPolicy.read(Files.writeString(directory.resolve("coarse.json"), COARSE))
        : QuantizationPolicy.named(name);
  }

  private static ConversionResult check(Path file) throws IOException {
    try (Checkpoint checkpoint = open();
        PackReader pack = PackReader.open(file)) {
      return Build.checkConversion(checkpoint, pack, ProgressListener.NONE);
    }
  }

  private static Set<String> wrong(ConversionResult found) {
    return found.tensors().stream()
        .filter(error -> error.misrounded() > 0 || error.shareOfPromise() > 1)
        .map(error -> error.key().toString())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @ParameterizedTest
  @ValueSource(strings = {"q8", "q4", "coarse"})
  void damageIsFoundAndNothingElse(String policy) throws IOException {
    Path whole = convert(policy);
    ConversionResult kept = check(whole);
    assertEquals(Set.of(), wrong(kept), () -> kept.worst(3).toString());

    PackBytes bytes = PackBytes.of(whole);
    Set<String> expected = new TreeSet<>();
    for (TensorRole role :
        List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN)) {
      TensorKey first = TensorKey.ofExpert(0, 2, role);
      TensorKey second = TensorKey.ofExpert(0, 6, role);
      bytes.exchange(first, second);
      expected.add(first.toString());
      expected.add(second.toString());
    }
    bytes.exchange(
        TensorKey.ofExpert(2, 5, TensorRole.EXPERT_GATE),
        TensorKey.ofExpert(2, 5, TensorRole.EXPERT_UP));
    expected.add("layer 2 expert 5 w1");
    expected.add("layer 2 expert 5 w3");
    bytes.doubleRowScale(TensorKey.ofExpert(1, 6, TensorRole.EXPERT_GATE), 3);
    expected.add("layer 1 expert 6 w1");
    bytes.doubleRowScale(TensorKey.ofLayer(1, TensorRole.QUERY), 7);
    expected.add("layer 1 q");
    if (policy.equals("q8")) {
      bytes.stepSubScale(TensorKey.ofExpert(1, 4, TensorRole.EXPERT_GATE), 5);
      expected.add("layer 1 expert 4 w1");
    }
    ConversionResult found = check(bytes.write(directory.resolve("broken.bora")));
    Set<String> named = wrong(found);
    assertEquals(expected, named);
  }

  @ParameterizedTest
  @ValueSource(strings = {"q8", "q4"})
  void aFoldThatIsNotUndoneIsFound(String policy) throws IOException {
    PackBytes bytes = PackBytes.of(convert(policy));
    TensorKey changed = TensorKey.ofLayer(2, TensorRole.FEED_FORWARD_NORM);
    bytes.doubleBFloat16(changed, 9);
    bytes.doubleRowScale(TensorKey.ofExpert(0, 3, TensorRole.EXPERT_UP), 4);
    ConversionResult found = check(bytes.write(directory.resolve("unfolded.bora")));
    Set<String> named = wrong(found);
    assertEquals(Set.of(changed.toString(), "layer 0 expert 3 w3"), named);
    TensorError norm =
        found.tensors().stream()
            .filter(error -> error.key().equals(changed))
            .findFirst()
            .orElseThrow();
    assertEquals(1, norm.misrounded());
    assertEquals(9, norm.firstMisrounded().column());
  }
}
