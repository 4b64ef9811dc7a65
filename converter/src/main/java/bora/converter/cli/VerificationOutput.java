package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.Build;
import bora.formats.PartialFile;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.PackReader;
import bora.runtime.Model;
import bora.verifier.Candidate;
import bora.verifier.ConversionCheck;
import bora.verifier.ConversionResult;
import bora.verifier.ExpertReplacement;
import bora.verifier.ForwardTimes;
import bora.verifier.KernelCheck;
import bora.verifier.Reference;
import bora.verifier.RuntimeCandidate;
import bora.verifier.Verdict;
import bora.verifier.VerificationReport;
import bora.verifier.report.ReportFormat;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Gate and reports: the options that {@code verify} and {@code build} share. */
final class VerificationOutput {
  @Spec(Spec.Target.MIXEE)
  private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--gate",
      paramLabel = "G.json",
      description = "limits to keep; default: those of the pack's encodings")
  private Path gate;

  @Option(
      names = "--report",
      paramLabel = "R.json|R.html|R.xml",
      description = {
        "where to write the report: JSON, one HTML page, or JUnit XML, told by the ending; may be"
            + " repeated"
      })
  private List<Path> reports = List.of();

  @Option(names = "--json", description = "the report as one JSON document on standard output")
  private boolean json;

  private final ForwardTimes times = new ForwardTimes();

  /** What the models' passes take; a reference that is computed now is to be measured by it. */
  ForwardTimes times() {
    return times;
  }

  boolean json() {
    return json;
  }

  boolean hasReports() {
    return !reports.isEmpty();
  }

  /** Finds out before the work whether the reports can be written after it. */
  void requireWritable() throws IOException {
    for (Path report : reports) {
      Usage.require(
          spec,
          ReportFormat.ofFile(report).isPresent(),
          "--report: expected a file that ends in .json, .html or .xml, found " + report);
      Path directory = report.toAbsolutePath().getParent();
      if (directory == null || !Files.isDirectory(directory)) {
        throw new NoSuchFileException(
            report.toString(), null, "cannot write there: the directory does not exist");
      }
    }
  }

  /**
   * Verifies in every way there is: the pack's bytes, the runtime against the pack's own weights,
   * its weights against the checkpoint's where that is at hand, its outputs against the reference.
   *
   * @param replacement tells what each expert costs; empty to leave that
   */
  VerificationReport verify(
      PackReader pack,
      Model model,
      Reference reference,
      Optional<Checkpoint> checkpoint,
      Optional<ExpertReplacement> replacement,
      PrintWriter err)
      throws IOException {
    checkBytes(pack, err);
    VerificationReport report;
    try (Progress positions = Progress.of(err, "verifying", -1, "positions")) {
      Optional<Path> limits = Optional.ofNullable(gate);
      Candidate candidate = times.measured(new RuntimeCandidate(model, pack));
      report = Build.verify(pack, candidate, reference, limits, replacement, positions);
    }
    report = report.withKernels(checkKernels(pack, err));
    if (checkpoint.isPresent()) {
      report = report.withConversion(checkConversion(checkpoint.get(), pack, err));
    }
    return report;
  }

  static void checkBytes(PackReader pack, PrintWriter err) throws IOException {
    try (Progress bytes = Progress.ofBytes(err, "checking bytes", pack.integrityBytes())) {
      pack.checkIntegrity(bytes);
    }
  }

  /** With exact activations, whatever the others: no limit else could be exact. */
  private static VerificationReport checkKernels(PackReader pack, PrintWriter err)
      throws IOException {
    String task = "checking kernels on " + KernelCheck.windowTokens(pack.config()) + " tokens";
    try (Model model = Build.open(pack);
        Progress tensors = Progress.of(err, task, pack.config().tensorCount(), "tensors")) {
      return Build.checkKernels(pack, model, tensors);
    }
  }

  private static ConversionResult checkConversion(
      Checkpoint checkpoint, PackReader pack, PrintWriter err) throws IOException {
    int stride = ConversionCheck.rowStride(pack.config());
    String task =
        stride == 1
            ? "checking weights"
            : "checking weights, one row of " + stride + " of every tensor";
    long weights = ConversionCheck.weightsCompared(pack.config());
    try (Progress progress = Progress.ofMillions(err, task, weights, " M weights")) {
      return Build.checkConversion(checkpoint, pack, progress);
    }
  }

  /** Shows and writes a report; returns the exit code. */
  int publish(VerificationReport report, PackReader pack, PrintWriter out, PrintWriter err)
      throws IOException {
    for (Path file : reports) {
      PartialFile.write(file, ReportFormat.ofFile(file).orElseThrow().write(report, pack));
      err.println("wrote " + file);
    }
    if (json) {
      out.print(new String(ReportFormat.JSON.write(report, pack), UTF_8));
    } else {
      VerificationText.print(out, pack.path(), report);
    }
    out.flush();
    return report.verdict() == Verdict.PASS ? ExitCode.DONE : ExitCode.FAILED_VERIFICATION;
  }
}
