package embed;

import bora.formats.pack.PackReader;
import bora.runtime.Model;
import bora.runtime.RuntimeOptions;
import bora.runtime.Sampling;
import bora.runtime.Session;
import bora.runtime.text.Completion;
import bora.runtime.text.TextGenerator;
import bora.runtime.text.Tokenizer;
import bora.runtime.text.TokenizerFiles;
import bora.verifier.Gate;
import bora.verifier.Reference;
import bora.verifier.RuntimeCandidate;
import bora.verifier.Verdict;
import bora.verifier.Verification;
import bora.verifier.VerificationOptions;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;

/** Usage: Embed PACK PROMPT REFERENCE. */
public final class Embed {
  private static final int MAX_TOKENS = 16;

  private Embed() {}

  public static void main(String[] arguments) throws IOException {
    run(System.out, Path.of(arguments[0]), arguments[1], Path.of(arguments[2]));
  }

  /** Continues a prompt, then says whether the pack computes what the reference recorded. */
  public static void run(PrintStream out, Path packFile, String prompt, Path reference)
      throws IOException {
    try (PackReader pack = PackReader.open(packFile);
        Model model = Model.open(pack, RuntimeOptions.defaults());
        Tokenizer tokenizer = Tokenizer.open(TokenizerFiles.of(pack))) {
      int[] tokens = tokenizer.encodePrompt(prompt);
      try (Session session = model.newSession(tokens.length + MAX_TOKENS)) {
        TextGenerator generator =
            new TextGenerator(model, session, tokenizer, new Sampling.Greedy(), List.of("\n"));
        Completion completion =
            generator.generate(
                tokens,
                MAX_TOKENS,
                text -> {
                  out.print(text);
                  return true;
                });
        out.println(" [" + completion.ending() + "]");
      }
      out.println(verify(pack, model, reference));
    }
  }

  private static Verdict verify(PackReader pack, Model model, Path file) throws IOException {
    pack.checkIntegrity(bytes -> {});
    try (Reference reference = Reference.open(file)) {
      return Verification.run(
              new RuntimeCandidate(model, pack),
              reference,
              Gate.defaultFor(pack),
              VerificationOptions.defaults(),
              positions -> {})
          .verdict();
    }
  }
}
