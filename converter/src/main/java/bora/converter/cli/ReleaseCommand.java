package bora.converter.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import bora.converter.StagedDirectory;
import bora.converter.release.ArchiveFormat;
import bora.converter.release.Release;
import bora.converter.release.ReleaseFile;
import bora.converter.release.ReleaseRequest;
import bora.converter.release.ReleaseSummary;
import bora.converter.release.UnverifiedException;
import bora.formats.json.StrictJson;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bora release}: verified packs to a directory that can be published. */
@Command(
    name = "release",
    header = "Makes of verified packs a directory that can be published.",
    description = {
      "",
      "Writes model card, licence, reports, sums and bill of materials beside the packs; signs"
          + " them,",
      "archives them and makes an OCI layout where asked. Refuses packs whose verification failed"
          + " or",
      "is missing, and models without a licence. Equal inputs give equal bytes; times are those of",
      "SOURCE_DATE_EPOCH. The directory appears when it is whole.",
      ""
    },
    mixinStandardHelpOptions = true)
final class ReleaseCommand implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Parameters(
      paramLabel = "PACK",
      arity = "1..*",
      description = "packs of one model, one for each budget")
  private List<Path> packs;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "DIR",
      required = true,
      description = "the directory to make; new or empty")
  private Path output;

  @Option(
      names = "--name",
      paramLabel = "N",
      description = "the model's name; default: what the packs' names have in common")
  private String name;

  @Option(
      names = "--report",
      paramLabel = "R.json",
      description =
          "the report of a pack's verification; default: PACK.report.json beside it; may be"
              + " repeated")
  private List<Path> reports = List.of();

  @Option(
      names = "--allow-unverified",
      description = "release packs whose verification failed or is missing")
  private boolean allowUnverified;

  @Option(
      names = "--license",
      paramLabel = "ID",
      description =
          "the model's licence by SPDX, such as apache-2.0; default: that of the packs' LICENSE")
  private String licence;

  @Option(
      names = "--license-file",
      paramLabel = "FILE",
      description = "licence or notice file in place of the packs'; may be repeated")
  private List<Path> licenceFiles = List.of();

  @Option(names = "--allow-missing-license", description = "release without a licence")
  private boolean allowMissingLicence;

  @Option(
      names = "--base-model",
      paramLabel = "OWNER/NAME",
      description = "what was quantized, as the hub names it")
  private String baseModel;

  @Option(
      names = "--language",
      paramLabel = "CODE",
      split = ",",
      description = "the model's languages, such as en,fr")
  private List<String> languages = List.of();

  @Option(
      names = "--dataset",
      paramLabel = "OWNER/NAME",
      split = ",",
      description = "what the calibration's text is from, as the hub names it")
  private List<String> datasets = List.of();

  @Option(
      names = "--calibration",
      paramLabel = "C",
      description =
          "the calibration that the packs were made with: the card then tells of its text")
  private Path calibration;

  @Option(
      names = "--sign",
      paramLabel = "KEY.pem",
      description = "sign by this private key of P-256, P-384 or P-521")
  private Path signingKey;

  @Option(names = "--oci", description = "add an OCI layout, for `bora push`")
  private boolean oci;

  @Option(
      names = "--archive",
      paramLabel = "tar.zst|tar.gz|zip",
      converter = ArchiveConverter.class,
      description = "add an archive of all files")
  private ArchiveFormat archive;

  @Option(
      names = "--max-shard-size",
      paramLabel = "S",
      converter = SizeConverter.class,
      description = "split packs into files of at most this size, such as 50GB")
  private Long maxShardBytes;

  @Option(names = "--dry-run", description = "check everything, write nothing, tell the sizes")
  private boolean dryRun;

  @Option(names = "--json", description = "what was made as one JSON document on standard output")
  private boolean json;

  /** Parses {@code tar.zst}. */
  static final class ArchiveConverter implements CommandLine.ITypeConverter<ArchiveFormat> {
    @Override
    public ArchiveFormat convert(String text) {
      return Usage.choice("archive", ArchiveFormat.values(), ArchiveFormat::id, text);
    }
  }

  /** Parses {@code 50GB}. */
  static final class SizeConverter implements CommandLine.ITypeConverter<Long> {
    @Override
    public Long convert(String text) {
      return Usage.value(() -> Sizes.parse(text));
    }
  }

  @Override
  public Integer call() throws IOException {
    PrintWriter err = spec.commandLine().getErr();
    ReleaseRequest request = request();
    StagedDirectory.requireFree(output);
    try (Release release = Release.of(request, System.getenv("SOURCE_DATE_EPOCH"))) {
      if (baseModel == null) {
        err.println(
            "no --base-model: the card names "
                + release.name()
                + ", which the hub does not know as a model");
      }
      ReleaseSummary summary;
      if (dryRun) {
        summary = release.preview();
      } else {
        try (Progress progress = Progress.ofBytes(err, "releasing", release.workBytes())) {
          summary = release.publish(output, progress);
        }
      }
      print(summary);
    } catch (UnverifiedException e) {
      err.println("bora: " + e.getMessage());
      return ExitCode.FAILED_VERIFICATION;
    }
    return ExitCode.DONE;
  }

  private ReleaseRequest request() {
    return new ReleaseRequest(
        packs,
        reports,
        Optional.ofNullable(name),
        new ReleaseRequest.Origin(
            Optional.ofNullable(baseModel),
            List.copyOf(languages),
            List.copyOf(datasets),
            Optional.ofNullable(calibration)),
        new ReleaseRequest.LicenceRequest(
            Optional.ofNullable(licence), List.copyOf(licenceFiles), allowMissingLicence),
        allowUnverified,
        new ReleaseRequest.Packaging(
            Optional.ofNullable(signingKey),
            oci,
            Optional.ofNullable(archive),
            maxShardBytes == null ? OptionalLong.empty() : OptionalLong.of(maxShardBytes)));
  }

  private void print(ReleaseSummary summary) {
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.print(new String(StrictJson.toIndentedBytes(summary.toJson()), UTF_8));
    } else {
      Table table = new Table();
      for (ReleaseFile file : summary.files()) {
        table.row(file.name(), Sizes.of(file.bytes()));
      }
      table.row("in all", Sizes.of(summary.totalBytes()));
      out.print((dryRun ? "would write to " : "wrote to ") + output + ":\n" + table);
      summary.ociManifest().ifPresent(digest -> out.println("OCI manifest " + digest));
    }
    out.flush();
  }
}
