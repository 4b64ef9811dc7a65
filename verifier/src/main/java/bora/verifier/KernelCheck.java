package bora.verifier;

import bora.formats.ProgressListener;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Holds the runtime against the naive model of the very weights that the pack's bytes stand for. No
 * encoding loses anything here, so the exact limits hold at any number of bits: it finds faults of
 * the runtime that quantization would hide.
 */
public final class KernelCheck {
  /** What models of up to {@link #LARGE} parameters run. */
  private static final int WINDOW_TOKENS = 32;

  /** The naive model decodes and multiplies every weight: larger models run fewer tokens. */
  private static final int LARGE_WINDOW_TOKENS = 16;

  private static final long LARGE = 1_000_000_000L;

  private KernelCheck() {}

  /** How many tokens are run: bounded, whatever the model. */
  public static int windowTokens(ModelConfig config) {
    int most = config.parameterCount() > LARGE ? LARGE_WINDOW_TOKENS : WINDOW_TOKENS;
    return Math.min(most, config.maxPositionEmbeddings());
  }

  /**
   * Compares.
   *
   * @param window tokens to run, of {@link #windowTokens}
   * @param progress hears of every tensor of the model
   */
  public static VerificationReport run(
      RuntimeCandidate candidate, int[] window, ProgressListener progress) throws IOException {
    ReferenceModel decoded = new ReferenceModel(WeightSource.of(candidate.pack()));
    try (Reference reference =
        new ComputedReference(
            decoded, List.of(window), Path.of("tokens drawn by the pack"), 1, progress)) {
      return Verification.run(
          candidate,
          reference,
          Gate.exact(),
          VerificationOptions.defaults(),
          ProgressListener.NONE);
    }
  }
}
