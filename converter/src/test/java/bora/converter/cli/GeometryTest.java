package bora.converter.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Small checkpoints with random weights and shapes that no published model has, held against what
 * transformers 5.17 computed of them (torch 2.11, float32), some by {@code
 * examples/reference/capture.py}: logits, hidden states, routers, greedy continuation, all within
 * the gate for exact packs.
 */
class GeometryTest {
  @TempDir private Path directory;

  @ParameterizedTest
  @ValueSource(
      strings = {
        // Mistral: heads of 18 in 24 columns, 3 to a key, a window of 5, tied, bf16.
        "wide-heads",
        // Mistral: 35 columns, 29 in the feed-forward, 5 heads with keys of their own, f16.
        "odd-widths",
        // Experts fused and saved by torch, as transformers 5 holds them: 3, 2 a token, bf16.
        "three-experts",
        // 4 experts, 1 a token, 17 wide, 4 heads to a key, f32.
        "one-expert-a-token",
        // Experts fused: 16 of 9 rows, 4 a token, 5 heads of 4 to a key, a window of 6, tied, bf16.
        "sixteen-experts"
      })
  void anOddGeometryComputesWhatTransformersDoes(String name) {
    Path pack = directory.resolve("model.bora");
    Path checkpoint = CommandLineRun.geometry(name);
    CommandLineRun run =
        CommandLineRun.of(
            "build",
            checkpoint,
            "-o",
            pack,
            "--policy",
            "f32",
            "--reference",
            checkpoint.resolve("reference.safetensors"));
    assertEquals(0, run.exitCode(), run.out() + run.err());
  }
}
