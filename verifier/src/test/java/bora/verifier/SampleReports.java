package bora.verifier;

import bora.formats.ProgressListener;
import bora.formats.pack.PackReader;
import bora.runtime.Model;
import bora.runtime.RuntimeOptions;
import java.io.IOException;
import java.nio.file.Path;

/** Whole verifications of small packs, for the tests of what is written about them. */
public final class SampleReports {
  private SampleReports() {}

  /** A report and the open pack that it is about. */
  public record Sample(VerificationReport report, PackReader pack) implements AutoCloseable {
    @Override
    public void close() {
      pack.close();
    }
  }

  /**
   * Experts 0 and 5 of layer 1 stand in each other's place; kernels, conversion and what experts
   * cost are checked too.
   */
  public static Sample ofExchangedExperts(Path file) throws IOException {
    RandomWeights weights = new RandomWeights(RandomWeights.MIXTRAL, 11);
    Float32Packs.write(AlteredWeights.swapExperts(weights, 1, 0, 5), file);
    PackReader pack = PackReader.open(file);
    try (Model model = Model.open(pack, RuntimeOptions.defaults())) {
      RuntimeCandidate candidate = new RuntimeCandidate(model, pack);
      int[] window = RandomWeights.windows(weights.config(), 1, 16, 7).getFirst();
      VerificationReport report =
          RuntimeCandidateTest.replaceExperts(weights, candidate)
              .withKernels(KernelCheck.run(candidate, window, ProgressListener.NONE))
              .withConversion(ConversionCheck.run(weights, pack, ProgressListener.NONE));
      return new Sample(report, pack);
    }
  }
}
