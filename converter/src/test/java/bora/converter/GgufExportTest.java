package bora.converter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.checkpoint.WeightType;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorRole;
import bora.formats.pack.PackEntry;
import bora.formats.pack.PackReader;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.QuantizationPolicy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GgufExportTest {
  @TempDir private Path directory;

  private static Path examples() {
    Path root = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(root.resolve("examples"))) {
      root = root.getParent();
    }
    return root.resolve("examples");
  }

  private Path convert(Path from, QuantizationPolicy policy, String name) throws IOException {
    Path to = directory.resolve(name);
    try (Checkpoint checkpoint = Checkpoint.open(from)) {
      QuantizationPlan plan = Planner.plan(checkpoint, policy, ProgressListener.NONE);
      Conversion.run(checkpoint, plan, to, 2, ProgressListener.NONE);
    }
    return to;
  }

  private Path export(Path pack) throws IOException {
    Path gguf = directory.resolve(pack.getFileName() + ".gguf");
    try (PackReader opened = PackReader.open(pack)) {
      GgufExport.of(opened).write(gguf, ProgressListener.NONE);
    }
    return gguf;
  }

  private static List<String> tensors(Path pack) throws IOException {
    try (PackReader opened = PackReader.open(pack)) {
      return opened.manifest().entries().values().stream()
          .map(e -> e.key() + " " + e.encoding() + " " + e.range() + " " + e.checksum())
          .toList();
    }
  }

  /** The whole way: rows interleaved and back, experts merged and apart, norms widened. */
  @ParameterizedTest
  @ValueSource(strings = {"tiny-mixtral", "tiny-mistral"})
  void packOfAnExportedModelIsThePackOfTheModel(String name) throws IOException {
    Path example = examples().resolve(name);
    Path exact = convert(example, QuantizationPolicy.named("bf16"), "exact.bora");
    Path gguf = export(exact);
    for (String policy : List.of("bf16", "balanced")) {
      Path expected = convert(example, QuantizationPolicy.named(policy), policy + ".bora");
      Path again = convert(gguf, QuantizationPolicy.named(policy), policy + "-again.bora");
      assertEquals(tensors(expected), tensors(again));
      try (PackReader first = PackReader.open(expected);
          PackReader second = PackReader.open(again)) {
        assertEquals(first.config(), second.config());
      }
    }
  }

  @Test
  void mixedExpertsAreLevelledToTheFinestAndSaid() throws IOException {
    Path policy = directory.resolve("policy.json");
    Files.writeString(
        policy,
        """
        {"name": "mixed",
         "rules": [{"roles": ["w1"], "layers": "1", "experts": "0,3", "encoding": "bf16"},
                   {"roles": ["w2"], "layers": "2", "experts": "5", "encoding": "q8"}],
         "default": "q4"}
        """);
    Path mixed =
        convert(examples().resolve("tiny-mixtral"), QuantizationPolicy.read(policy), "mixed.bora");
    try (PackReader pack = PackReader.open(mixed)) {
      GgufExport export = GgufExport.of(pack);
      assertEquals(
          List.of(
              "layer 1 w1: 2 in bf16, 6 in q4: all BF16", "layer 2 w2: 1 in q8, 7 in q4: all Q8_0"),
          export.levelled());
      assertTrue(export.hasVocabulary());
      for (PackEntry entry : pack.manifest().entries().values()) {
        TensorKey key = entry.key();
        boolean levelled = key.layer() == 1 && key.role() == TensorRole.EXPERT_GATE;
        WeightType expected =
            key.role().isExact() ? WeightType.F32 : levelled ? WeightType.BF16 : WeightType.Q8_0;
        assertEquals(expected, export.types().get(key), key::toString);
      }
    }
    try (Checkpoint gguf = Checkpoint.open(export(mixed))) {
      assertEquals(WeightType.Q8_0, gguf.tensor(TensorKey.ofLayer(0, TensorRole.QUERY)).type());
    }
  }
}
