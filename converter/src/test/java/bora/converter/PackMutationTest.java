package bora.converter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackReader;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPolicy;
import bora.runtime.Model;
import bora.verifier.ComputedReference;
import bora.verifier.ConversionResult;
import bora.verifier.Reference;
import bora.verifier.ReferenceModel;
import bora.verifier.RuntimeCandidate;
import bora.verifier.TensorError;
import bora.verifier.Verdict;
import bora.verifier.VerificationReport;
import bora.verifier.WeightSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Packs with wrong weights, at every number of bits, and right ones that must never fail. */
final class PackMutationTest {
  private static final int SEEDS = 20;

  /** Experts of two layers: to find the codes of a whole model takes long. */
  private static final String TRELLIS =
      """
      {"name": "trellis", "rules": [
        {"layers": "1", "experts": "0", "encoding": "t4"},
        {"layers": "2", "experts": "0", "encoding": "t2"}], "default": "q8"}
      """;

  @TempDir private static Path directory;

  private static Path example(String name) {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(root.resolve("examples"))) {
      root = root.getParent();
    }
    return root.resolve("examples").resolve(name);
  }

  private static QuantizationPolicy policy(String name) throws IOException {
    return name.equals("trellis")
        ? QuantizationPolicy.read(Files.writeString(directory.resolve("trellis.json"), TRELLIS))
        : QuantizationPolicy.named(name);
  }

  /** Converts once for all tests. */
  private static Path convert(String name, String policy) throws IOException {
    Path out = directory.resolve(name + "." + policy + ".bora");
    if (!Files.exists(out)) {
      try (Checkpoint checkpoint = Checkpoint.open(example(name))) {
        Conversion.run(
            checkpoint,
            Planner.plan(checkpoint, policy(policy), ProgressListener.NONE),
            Optional.empty(),
            out,
            2,
            Conversion.Leftover.DISCARD,
            ProgressListener.NONE);
      }
    }
    return out;
  }

  /** One expert's three matrices for another's. */
  private static void exchangeExperts(PackBytes bytes, int layer, int first, int second) {
    for (TensorRole role :
        List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN)) {
      bytes.exchange(
          TensorKey.ofExpert(layer, first, role), TensorKey.ofExpert(layer, second, role));
    }
  }

  /** Every kind of damage in tensors of its own, so that one comparison tells of all. */
  @ParameterizedTest
  @ValueSource(strings = {"q8", "q6", "q4"})
  void wrongWeightsAreNamedAndNoOthers(String policy) throws IOException {
    TensorKey scaled = TensorKey.ofExpert(1, 6, TensorRole.EXPERT_DOWN);
    TensorKey stepped = TensorKey.ofExpert(1, 5, TensorRole.EXPERT_DOWN);
    TensorKey coded = TensorKey.ofExpert(1, 4, TensorRole.EXPERT_DOWN);
    PackBytes bytes = PackBytes.of(convert("tiny-mixtral", policy));
    exchangeExperts(bytes, 0, 2, 6);
    bytes.exchange(
        TensorKey.ofExpert(2, 5, TensorRole.EXPERT_GATE),
        TensorKey.ofExpert(2, 5, TensorRole.EXPERT_UP));
    bytes.doubleRowScale(scaled, 3);
    bytes.stepSubScale(stepped, 5);
    bytes.flipCode(coded);
    Map<String, String> expected = new TreeMap<>();
    for (TensorRole role :
        List.of(TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN)) {
      expected.put(TensorKey.ofExpert(0, 2, role).toString(), "row 0, column ");
      expected.put(TensorKey.ofExpert(0, 6, role).toString(), "row 0, column ");
    }
    expected.put("layer 2 expert 5 w1", "row 0, column ");
    expected.put("layer 2 expert 5 w3", "row 0, column ");
    expected.put("layer 1 expert 6 w2", "row 3, column ");
    expected.put("layer 1 expert 5 w2", "row 5, column ");
    expected.put("layer 1 expert 4 w2", "row 0, column 0");
    Path broken = bytes.write(directory.resolve("broken.bora"));
    try (Checkpoint checkpoint = Checkpoint.open(example("tiny-mixtral"));
        PackReader pack = PackReader.open(broken)) {
      ConversionResult found = Build.checkConversion(checkpoint, pack, ProgressListener.NONE);
      for (TensorError error : found.tensors()) {
        String place = expected.remove(error.key().toString());
        assertEquals(place != null, error.misrounded() > 0, error::describe);
        assertTrue(place == null || error.describe().contains(place), error::describe);
      }
      assertEquals(Map.of(), expected);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"f32", "bf16", "q8", "q6", "q4", "trellis", "balanced"})
  void rightWeightsAreWithinTheirPromise(String policy) throws IOException {
    for (String name : List.of("tiny-mixtral", "tiny-mistral")) {
      try (Checkpoint checkpoint = Checkpoint.open(example(name));
          PackReader pack = PackReader.open(convert(name, policy))) {
        ConversionResult found = Build.checkConversion(checkpoint, pack, ProgressListener.NONE);
        TensorError worst = found.worst(1).getFirst();
        assertEquals(0, worst.misrounded(), worst::describe);
        assertTrue(worst.shareOfPromise() <= 1, worst::toString);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"tiny-mixtral", "tiny-mistral"})
  void anUntouchedBf16PackNeverFails(String name) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(example(name));
        PackReader pack = PackReader.open(convert(name, "bf16"));
        Model model = Build.open(pack)) {
      for (int seed = 1; seed <= SEEDS; seed++) {
        Random random = new Random(seed);
        int[] window = random.ints(24, 0, pack.config().vocabSize()).toArray();
        try (Reference reference =
            new ComputedReference(
                new ReferenceModel(WeightSource.of(checkpoint)),
                List.of(window),
                Path.of("seed " + seed),
                1,
                ProgressListener.NONE)) {
          VerificationReport report =
              Build.verify(
                  pack,
                  new RuntimeCandidate(model, pack),
                  reference,
                  Optional.empty(),
                  Optional.empty(),
                  ProgressListener.NONE);
          assertEquals(
              Verdict.PASS, report.verdict(), () -> Arrays.toString(window) + report.metrics());
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"q8", "q6", "q4", "balanced"})
  void kernelsOfAnyEncodingKeepTheExactLimits(String policy) throws IOException {
    for (String name : List.of("tiny-mixtral", "tiny-mistral")) {
      try (PackReader pack = PackReader.open(convert(name, policy));
          Model model = Build.open(pack)) {
        VerificationReport report = Build.checkKernels(pack, model, ProgressListener.NONE);
        assertEquals(Verdict.PASS, report.verdict(), report.checks()::toString);
      }
    }
  }
}
