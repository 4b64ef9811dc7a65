package bora.converter;

import bora.formats.ProgressListener;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.PackReader;
import bora.runtime.Activations;
import bora.runtime.ForwardObserver;
import bora.runtime.Model;
import bora.runtime.RuntimeOptions;
import bora.runtime.Sampling;
import bora.runtime.Session;
import bora.runtime.TokenSampler;
import bora.verifier.Candidate;
import bora.verifier.ComputedReference;
import bora.verifier.ConversionCheck;
import bora.verifier.ConversionResult;
import bora.verifier.ExpertReplacement;
import bora.verifier.Gate;
import bora.verifier.KernelCheck;
import bora.verifier.Reference;
import bora.verifier.ReferenceModel;
import bora.verifier.RuntimeCandidate;
import bora.verifier.Verification;
import bora.verifier.VerificationOptions;
import bora.verifier.VerificationReport;
import bora.verifier.WeightSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What {@code bora build} and {@code bora verify} share: a pack held against a reference. */
public final class Build {
  /** The recorded reference that a checkpoint's directory may hold. */
  public static final String REFERENCE_FILE = "reference.safetensors";

  /** Few and short: the naive model is slow, and grows with the checkpoint. */
  private static final int SAMPLED_WINDOWS = 2;

  private static final int SAMPLED_WINDOW_TOKENS = 32;
  private static final long SAMPLING_SEED = 1;

  private Build() {}

  /**
   * The reference to verify a checkpoint's pack against where none was named.
   *
   * @throws bora.formats.CorruptFileException when it is a link that leaves the checkpoint
   */
  public static Optional<Path> recordedReference(Path checkpoint) throws IOException {
    Path file = checkpoint.resolve(REFERENCE_FILE);
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    Checkpoint.requireWithin(checkpoint, file);
    return Optional.of(file);
  }

  /**
   * Holds a pack, whose integrity the caller has checked, against a reference.
   *
   * @param candidate runs the pack
   * @param gate empty for the default of the pack's encodings
   * @param replacement tells what each expert costs; empty to leave that
   * @param positions hears the positions run
   */
  public static VerificationReport verify(
      PackReader pack,
      Candidate candidate,
      Reference reference,
      Optional<Path> gate,
      Optional<ExpertReplacement> replacement,
      ProgressListener positions)
      throws IOException {
    Gate limits = gate.isPresent() ? Gate.read(gate.get()) : Gate.defaultFor(pack);
    return Verification.run(
        candidate, reference, limits, VerificationOptions.defaults(), replacement, positions);
  }

  /**
   * Holds the runtime against the pack's own decoded weights, on one short window that the pack
   * draws.
   *
   * @param tensors hears of every tensor that the naive model uses
   */
  public static VerificationReport checkKernels(
      PackReader pack, Model model, ProgressListener tensors) throws IOException {
    int[] window = sampleWindow(model, SAMPLING_SEED, KernelCheck.windowTokens(pack.config()));
    return KernelCheck.run(new RuntimeCandidate(model, pack), window, tensors);
  }

  /**
   * Holds the pack's weights against the checkpoint's.
   *
   * @param weights hears of every weight compared
   */
  public static ConversionResult checkConversion(
      Checkpoint checkpoint, PackReader pack, ProgressListener weights) throws IOException {
    return ConversionCheck.run(WeightSource.of(checkpoint), pack, weights);
  }

  /**
   * The naive model of a checkpoint over windows that the pack itself draws, since a checkpoint
   * alone has no text: tokens as the model would write them.
   *
   * @param tensors hears of every tensor that the naive model uses
   */
  public static ComputedReference sampledReference(
      Checkpoint checkpoint, Model model, ProgressListener tensors) {
    List<int[]> windows = new ArrayList<>();
    for (int window = 0; window < SAMPLED_WINDOWS; window++) {
      windows.add(sampleWindow(model, SAMPLING_SEED + window, SAMPLED_WINDOW_TOKENS));
    }
    return new ComputedReference(
        new ReferenceModel(WeightSource.of(checkpoint)),
        windows,
        Path.of("tokens drawn by the pack"),
        SAMPLED_WINDOWS,
        tensors);
  }

  private static int[] sampleWindow(Model model, long seed, int tokens) {
    int[] window = new int[tokens];
    window[0] = model.config().bosTokenId().orElse(0);
    TokenSampler sampler = new TokenSampler(new Sampling.Temperature(1, seed));
    try (Session session = model.newSession(window.length)) {
      for (int i = 1; i < window.length; i++) {
        window[i] = sampler.next(session.decode(window[i - 1], ForwardObserver.NONE));
      }
    }
    return window;
  }

  /** A pack ready to run, with exact activations. */
  public static Model open(PackReader pack) {
    return open(pack, Activations.F32);
  }

  /** A pack ready to run. */
  public static Model open(PackReader pack, Activations activations) {
    return Model.open(pack, RuntimeOptions.defaults().with(activations));
  }
}
