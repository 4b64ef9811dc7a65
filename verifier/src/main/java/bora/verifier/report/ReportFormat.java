package bora.verifier.report;

import bora.formats.json.StrictJson;
import bora.formats.pack.PackReader;
import bora.verifier.VerificationReport;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;

/** What a report can be written as, told by the ending of the file's name. */
public enum ReportFormat {
  /** For scripts; {@code docs/verification.md} lists the keys. */
  JSON(".json"),
  /** One page that needs nothing else, no network either. */
  HTML(".html"),
  /** As JUnit writes its results: each check is a test case. */
  JUNIT_XML(".xml");

  private final String ending;

  ReportFormat(String ending) {
    this.ending = ending;
  }

  /** The ending of a file's name that asks for this format. */
  public String ending() {
    return ending;
  }

  /** The format that a file's name asks for; empty when it asks for none of these. */
  public static Optional<ReportFormat> ofFile(Path file) {
    String name = file.toString();
    return Arrays.stream(values()).filter(format -> name.endsWith(format.ending)).findFirst();
  }

  /**
   * The whole file, in UTF-8. Equal reports give equal bytes.
   *
   * @param pack the one that the report is about
   */
  public byte[] write(VerificationReport report, PackReader pack) {
    return switch (this) {
      case JSON -> StrictJson.toIndentedBytes(ReportJson.of(report));
      case HTML -> new HtmlReport(report, pack).write();
      case JUNIT_XML -> JUnitReport.write(report);
    };
  }
}
