package bora.converter;

import static org.junit.jupiter.api.Assertions.assertEquals;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.PackReader;
import bora.quantizer.Planner;
import bora.quantizer.QuantizationPolicy;
import bora.runtime.Model;
import bora.runtime.text.TextTokens;
import bora.runtime.text.Tokenizer;
import bora.runtime.text.TokenizerFiles;
import bora.verifier.ComputedReference;
import bora.verifier.Reference;
import bora.verifier.ReferenceModel;
import bora.verifier.RuntimeCandidate;
import bora.verifier.Verdict;
import bora.verifier.VerificationReport;
import bora.verifier.WeightSource;
import bora.verifier.WindowsProtocol;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An untouched bf16 pack never fails, whatever the text. */
@Tag("slow")
final class FalseAlarmTest {
  private static final WindowsProtocol PROTOCOL = new WindowsProtocol(256, 2);

  /** Prose, tables, code, markup. */
  private static final List<String> FILES =
      List.of(
          "LICENSE",
          "README.md",
          "docs/encodings.md",
          "docs/fidelity.md",
          "docs/memory.md",
          "docs/robustness.md",
          "pom.xml",
          "examples/reference/capture.py",
          "examples/pipeline/release.yml",
          "runtime/src/main/java/bora/runtime/Attention.java",
          "verifier/src/main/resources/bora/verifier/report/report.css");

  /** Each repeated until it fills the windows. */
  private static final List<String> SENTENCES =
      List.of(
          "the ",
          "a",
          "3.14159265358979, 2.71828182845904; ",
          "Zażółć gęślą jaźń, a potem w Szczebrzeszynie chrząszcz brzmi w trzcinie. ",
          "Всё смешалось в доме Облонских. Жена узнала, что муж был в связи с гувернанткою. ",
          "ἄνδρα μοι ἔννεπε, μοῦσα, πολύτροπον, ὃς μάλα πολλὰ πλάγχθη ",
          "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
          "كان يا ما كان في قديم الزمان وسالف العصر والأوان ",
          "🦊🐻🌍 \t\n\r\n  \u0000\uFFFD ",
          "for (int i = 0; i < n; i++) { sum += a[i] * b[i]; } // O(n)\n");

  @ParameterizedTest
  @ValueSource(strings = {"tiny-mixtral", "tiny-mistral"})
  void noTextFailsAnUntouchedPack(String name, @TempDir Path directory) throws IOException {
    Path example = ConversionTest.example(name);
    Path root = example.getParent().getParent();
    List<Path> texts = new ArrayList<>();
    FILES.forEach(file -> texts.add(root.resolve(file)));
    for (String sentence : SENTENCES) {
      Path text = directory.resolve("sentence" + texts.size());
      texts.add(Files.writeString(text, sentence.repeat(8192 / sentence.length())));
    }
    Path out = directory.resolve("bf16.bora");
    try (Checkpoint checkpoint = Checkpoint.open(example)) {
      Conversion.run(
          checkpoint,
          Planner.plan(checkpoint, QuantizationPolicy.named("bf16"), ProgressListener.NONE),
          Optional.empty(),
          out,
          2,
          Conversion.Leftover.DISCARD,
          ProgressListener.NONE);
      try (PackReader pack = PackReader.open(out);
          Model model = Build.open(pack);
          Tokenizer tokenizer = Tokenizer.open(TokenizerFiles.open(out))) {
        for (Path text : texts) {
          int[] tokens = TextTokens.read(text, tokenizer, PROTOCOL.maxTokens());
          VerificationReport report = verify(checkpoint, pack, model, tokens, text);
          assertEquals(Verdict.PASS, report.verdict(), () -> text + " " + report.checks());
        }
      }
    }
  }

  private static VerificationReport verify(
      Checkpoint checkpoint, PackReader pack, Model model, int[] tokens, Path text)
      throws IOException {
    try (Reference reference =
        ComputedReference.ofTokens(
            new ReferenceModel(WeightSource.of(checkpoint)),
            tokens,
            text,
            PROTOCOL,
            ProgressListener.NONE)) {
      return Build.verify(
          pack,
          new RuntimeCandidate(model, pack),
          reference,
          Optional.empty(),
          Optional.empty(),
          ProgressListener.NONE);
    }
  }
}
