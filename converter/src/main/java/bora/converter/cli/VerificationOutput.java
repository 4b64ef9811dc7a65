package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.Build;
import bora.formats.json.StrictJson;
import bora.formats.pack.PackReader;
import bora.runtime.Model;
import bora.verifier.Reference;
import bora.verifier.ReportJson;
import bora.verifier.Verdict;
import bora.verifier.VerificationReport;
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
      paramLabel = "R.json",
      description = "where to write the report; may be repeated")
  private List<Path> reports = List.of();

  @Option(names = "--json", description = "the report as one JSON document on standard output")
  private boolean json;

  boolean json() {
    return json;
  }

  /** Finds out before the work whether the reports can be written after it. */
  void requireWritable() throws IOException {
    for (Path report : reports) {
      Usage.require(
          spec,
          report.toString().endsWith(".json"),
          "--report: expected a file that ends in .json, found " + report);
      Path directory = report.toAbsolutePath().getParent();
      if (directory == null || !Files.isDirectory(directory)) {
        throw new NoSuchFileException(
            report.toString(), null, "cannot write there: the directory does not exist");
      }
    }
  }

  VerificationReport verify(PackReader pack, Model model, Reference reference, PrintWriter err)
      throws IOException {
    try (Progress bytes = Progress.ofBytes(err, "checking bytes", pack.integrityBytes())) {
      pack.checkIntegrity(bytes);
    }
    try (Progress positions = Progress.of(err, "verifying", -1, "positions")) {
      return Build.verify(pack, model, reference, Optional.ofNullable(gate), positions);
    }
  }

  /** Shows and writes a report; returns the exit code. */
  int publish(VerificationReport report, Path pack, PrintWriter out, PrintWriter err)
      throws IOException {
    byte[] document = StrictJson.toIndentedBytes(ReportJson.of(report));
    for (Path file : reports) {
      Files.write(file, document);
      err.println("wrote " + file);
    }
    if (json) {
      out.print(new String(document, UTF_8));
    } else {
      VerificationText.print(out, pack, report);
    }
    out.flush();
    return report.verdict() == Verdict.PASS ? ExitCode.DONE : ExitCode.FAILED_VERIFICATION;
  }
}
