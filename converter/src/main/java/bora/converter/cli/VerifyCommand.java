package bora.converter.cli;

import bora.converter.Build;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.PackReader;
import bora.runtime.Model;
import bora.runtime.RuntimeOptions;
import bora.verifier.ComputedReference;
import bora.verifier.ExpertReplacement;
import bora.verifier.Reference;
import bora.verifier.ReferenceModel;
import bora.verifier.ReferenceSource;
import bora.verifier.RuntimeCandidate;
import bora.verifier.VerificationReport;
import bora.verifier.WeightSource;
import bora.verifier.WindowsProtocol;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora verify}: does a pack compute what the reference computes? */
@Command(
    name = "verify",
    header = "Proves that a pack computes what a reference computes.",
    description = {
      "",
      "Checks every byte of the pack, runs it by prefill and by decode, compares logits, hidden",
      "states and router choices, and holds each metric against a gate. Exit code 1 when one"
          + " fails.",
      "docs/verification.md defines the metrics, the gates and what a reference is.",
      ""
    },
    mixinStandardHelpOptions = true)
final class VerifyCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(paramLabel = "PACK", description = "the pack to verify")
  private Path packFile;

  @ArgGroup(multiplicity = "1")
  private ReferenceChoice choice;

  @Option(
      names = "--windows",
      paramLabel = "N",
      defaultValue = "4",
      description = "most windows of the tokens; default ${DEFAULT-VALUE}")
  private int windows;

  @Option(
      names = "--window",
      paramLabel = "T",
      defaultValue = "512",
      description = "tokens of a window; default ${DEFAULT-VALUE}")
  private int window;

  @Option(
      names = "--worst-experts",
      paramLabel = "CHECKPOINT",
      description =
          "also tell what each expert costs: run on with each one alone as in this checkpoint,"
              + " which the pack was made of")
  private Path expertsOf;

  @Mixin private VerificationOutput output;

  @Mixin private ActivationOptions activationOptions;

  /** What the pack is compared with. */
  static final class ReferenceChoice {
    @Option(
        names = "--reference",
        paramLabel = "REF.safetensors",
        required = true,
        description = "outputs or windows that another implementation recorded")
    Path recorded;

    @ArgGroup(exclusive = false)
    Computed computed;
  }

  /** A reference that is computed now. */
  static final class Computed {
    @Option(
        names = "--against",
        paramLabel = "MODEL",
        required = true,
        description =
            "a checkpoint, computed by the naive reference model, or another pack, run as this one")
    Path model;

    @ArgGroup(multiplicity = "1")
    TextOrTokens sequences;
  }

  @Override
  public Integer call() throws IOException {
    long start = System.nanoTime();
    Usage.require(spec, windows >= 1, "--windows: expected at least 1, found " + windows);
    Usage.require(
        spec,
        window >= WindowsProtocol.MIN_WINDOW_TOKENS,
        "--window: expected at least " + WindowsProtocol.MIN_WINDOW_TOKENS + ", found " + window);
    output.requireWritable();
    PrintWriter err = spec.commandLine().getErr();
    try (PackReader pack = PackReader.open(packFile);
        Model model = Build.open(pack, activationOptions.activations)) {
      int exitCode =
          output.publish(verify(pack, model, err), pack, spec.commandLine().getOut(), err);
      VerificationCost.print(err, output.times(), start);
      return exitCode;
    }
  }

  private VerificationReport verify(PackReader pack, Model model, PrintWriter err)
      throws IOException {
    if (expertsOf == null) {
      return verify(pack, model, Optional.empty(), err);
    }
    try (Checkpoint checkpoint = CheckpointArgument.open(expertsOf, err);
        Progress progress =
            Progress.of(
                err, "replacing experts", ExpertReplacement.count(pack.config()), "experts")) {
      ExpertReplacement replacement =
          new ExpertReplacement(
              pack, WeightSource.of(checkpoint), RuntimeOptions.defaults(), progress);
      return verify(pack, model, Optional.of(replacement), err);
    }
  }

  private VerificationReport verify(
      PackReader pack, Model model, Optional<ExpertReplacement> replacement, PrintWriter err)
      throws IOException {
    if (choice.recorded != null) {
      try (Reference reference = Reference.open(choice.recorded)) {
        return output.verify(pack, model, reference, Optional.empty(), replacement, err);
      }
    }
    Path against = choice.computed.model;
    if (PackReader.isPack(against)) {
      try (PackReader other = PackReader.open(against);
          Model otherModel = Build.open(other)) {
        VerificationOutput.checkBytes(other, err);
        ReferenceSource source = ReferenceSource.of(new RuntimeCandidate(otherModel, other));
        return verifyComputed(pack, model, source, Optional.empty(), replacement, err);
      }
    }
    try (Checkpoint checkpoint = CheckpointArgument.open(against, err)) {
      ReferenceSource source = new ReferenceModel(WeightSource.of(checkpoint));
      return verifyComputed(pack, model, source, Optional.of(checkpoint), replacement, err);
    }
  }

  private VerificationReport verifyComputed(
      PackReader pack,
      Model model,
      ReferenceSource source,
      Optional<Checkpoint> checkpoint,
      Optional<ExpertReplacement> replacement,
      PrintWriter err)
      throws IOException {
    WindowsProtocol protocol = new WindowsProtocol(window, windows);
    Path file = choice.computed.sequences.file();
    int[] tokens = choice.computed.sequences.read(packFile, protocol.maxTokens());
    try (Progress progress = Progress.of(err, "computing the reference", -1, "tensors");
        Reference reference =
            ComputedReference.ofTokens(
                output.times().measured(source), tokens, file, protocol, progress)) {
      return output.verify(pack, model, reference, checkpoint, replacement, err);
    }
  }
}
