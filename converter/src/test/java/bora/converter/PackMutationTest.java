package bora.converter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.encoding.Encoding;
import bora.formats.encoding.ScalarGrid;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackEntry;
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
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Packs with wrong weights, at every number of bits, and right ones that must never fail. */
final class PackMutationTest {
  private static final int SEEDS = 20;
  private static final TensorKey DOWN = TensorKey.ofExpert(1, 6, TensorRole.EXPERT_DOWN);

  @TempDir private static Path directory;

  private static Path example(String name) {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(root.resolve("examples"))) {
      root = root.getParent();
    }
    return root.resolve("examples").resolve(name);
  }

  /** Converts once for all tests. */
  private static Path convert(String name, String policy) throws IOException {
    Path out = directory.resolve(name + "." + policy + ".bora");
    if (!Files.exists(out)) {
      try (Checkpoint checkpoint = Checkpoint.open(example(name))) {
        Conversion.run(
            checkpoint,
            Planner.plan(checkpoint, QuantizationPolicy.named(policy), ProgressListener.NONE),
            Optional.empty(),
            out,
            2,
            Conversion.Leftover.DISCARD,
            ProgressListener.NONE);
      }
    }
    return out;
  }

  /** A change to the bytes of a pack's weights. */
  private interface Mutation {
    void apply(ByteBuffer bytes, PackReader pack);
  }

  private static void exchange(ByteBuffer bytes, PackReader pack, TensorKey a, TensorKey b) {
    PackEntry first = pack.manifest().entries().get(a);
    PackEntry second = pack.manifest().entries().get(b);
    byte[] held = new byte[(int) first.range().lengthBytes()];
    byte[] other = new byte[(int) second.range().lengthBytes()];
    bytes.get((int) first.range().offsetBytes(), held);
    bytes.get((int) second.range().offsetBytes(), other);
    bytes.put((int) first.range().offsetBytes(), other);
    bytes.put((int) second.range().offsetBytes(), held);
  }

  private static int startOf(PackReader pack, TensorKey key) {
    return (int) pack.manifest().entries().get(key).range().offsetBytes();
  }

  /**
   * @param worst whom the check must name
   */
  record Case(String name, Mutation mutation, String worst) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Arguments> mutations() {
    List<Case> cases =
        List.of(
            new Case(
                "two experts exchanged",
                (bytes, pack) -> {
                  for (TensorRole role :
                      List.of(
                          TensorRole.EXPERT_GATE, TensorRole.EXPERT_UP, TensorRole.EXPERT_DOWN)) {
                    exchange(
                        bytes,
                        pack,
                        TensorKey.ofExpert(1, 2, role),
                        TensorKey.ofExpert(1, 6, role));
                  }
                },
                "layer 1 expert"),
            new Case(
                "an expert's w1 and w3 exchanged",
                (bytes, pack) ->
                    exchange(
                        bytes,
                        pack,
                        TensorKey.ofExpert(2, 5, TensorRole.EXPERT_GATE),
                        TensorKey.ofExpert(2, 5, TensorRole.EXPERT_UP)),
                "layer 2 expert 5"),
            new Case(
                "one row scale off by one in its exponent",
                (bytes, pack) -> {
                  int at = startOf(pack, DOWN) + (int) ScalarGrid.rowScaleOffsetBytes(3);
                  bytes.putShort(at, (short) (bytes.getShort(at) + 0x80));
                },
                "layer 1 expert 6 w2 from row 3, column "),
            new Case(
                "one block's sub-scale off by one step",
                (bytes, pack) -> {
                  int at = startOf(pack, DOWN) + (int) ScalarGrid.subScalesOffsetBytes(1);
                  long word = bytes.getLong(at);
                  long index = word >>> 20 & 15;
                  bytes.putLong(at, index < 15 ? word + (1L << 20) : word - (1L << 20));
                },
                "layer 1 expert 6 w2 from row 5, column "),
            new Case(
                "one code off by one bit",
                (bytes, pack) -> {
                  Encoding encoding = pack.tensor(DOWN).encoding();
                  int columns = pack.tensor(DOWN).shape().columns();
                  int at = startOf(pack, DOWN) + (int) encoding.codesOffsetBytes(columns);
                  bytes.put(at, (byte) (bytes.get(at) ^ 2));
                },
                "layer 1 expert 6 w2 from row 0, column 0"));
    return Stream.of("q8", "q6", "q4")
        .flatMap(policy -> cases.stream().map(one -> Arguments.of(policy, one)));
  }

  @ParameterizedTest
  @MethodSource("mutations")
  void wrongWeightsAreNamed(String policy, Case mutated) throws IOException {
    Path file = convert("tiny-mixtral", policy);
    byte[] bytes = Files.readAllBytes(file);
    try (PackReader pack = PackReader.open(file)) {
      mutated.mutation.apply(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN), pack);
    }
    Path broken = Files.write(directory.resolve("broken.bora"), bytes);
    try (Checkpoint checkpoint = Checkpoint.open(example("tiny-mixtral"));
        PackReader pack = PackReader.open(broken)) {
      ConversionResult found = Build.checkConversion(checkpoint, pack, ProgressListener.NONE);
      TensorError worst = found.worst(1).getFirst();
      assertTrue(worst.misrounded() > 0);
      assertTrue(worst.describe().startsWith(mutated.worst), worst::describe);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"f32", "bf16", "q8", "q6", "q4", "t4", "t2", "balanced"})
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
