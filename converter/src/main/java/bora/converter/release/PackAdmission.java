package bora.converter.release;

import bora.formats.MismatchedArtifactException;
import bora.formats.pack.ByteRange;
import bora.formats.pack.PackReader;
import bora.formats.pack.PackShards;
import bora.formats.pack.ShardName;
import bora.quantizer.calibration.Calibration;
import bora.quantizer.calibration.CalibrationSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;

/** Whether packs belong together and have passed what a release asks for. */
final class PackAdmission {
  private PackAdmission() {}

  /**
   * @return the packs in their order, each with its report
   * @throws UnverifiedException when a pack's verification failed
   * @throws MismatchedArtifactException when the packs are of different checkpoints or alike in
   *     name, or a report is about another pack
   * @throws IOException also when a pack has no report
   */
  static List<ReleasedPack> admit(List<PackReader> opened, ReleaseRequest request)
      throws IOException {
    requireOneModel(opened);
    Map<String, GateReport> reports = new TreeMap<>();
    for (Path file : request.reports()) {
      GateReport report = GateReport.read(file);
      reports.put(report.weightsSha256(), report);
    }
    SequencedMap<String, ReleasedPack> packs = new LinkedHashMap<>();
    for (PackReader pack : opened) {
      Optional<GateReport> report =
          Optional.ofNullable(reports.get(pack.manifest().weightsSha256()));
      if (report.isEmpty()) {
        report = beside(pack);
      }
      if (!request.allowUnverified()) {
        requirePassed(pack, report);
      }
      List<ByteRange> shards =
          PackShards.cut(pack, request.packaging().maxShardBytes().orElse(Long.MAX_VALUE));
      ReleasedPack released = new ReleasedPack(ShardName.stemOf(pack.path()), pack, shards, report);
      if (packs.put(released.stem(), released) != null) {
        throw new MismatchedArtifactException(
            pack.path(), "another pack of the release has this name; rename one of them");
      }
    }
    return List.copyOf(packs.values());
  }

  private static void requireOneModel(List<PackReader> packs) throws MismatchedArtifactException {
    PackReader first = packs.getFirst();
    for (PackReader pack : packs) {
      if (!pack.manifest()
          .provenance()
          .checkpoint()
          .equals(first.manifest().provenance().checkpoint())) {
        throw new MismatchedArtifactException(
            pack.path(),
            "not of the checkpoint that "
                + first.path()
                + " was made from; a release holds budgets of one model");
      }
    }
  }

  private static Optional<GateReport> beside(PackReader pack) throws IOException {
    Path file = GateReport.beside(pack.path());
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    GateReport report = GateReport.read(file);
    if (!report.weightsSha256().equals(pack.manifest().weightsSha256())) {
      throw new MismatchedArtifactException(
          file, "the report is about other weights than those of " + pack.path());
    }
    return Optional.of(report);
  }

  private static void requirePassed(PackReader pack, Optional<GateReport> report)
      throws IOException {
    if (report.isEmpty()) {
      throw new NoSuchFileException(
          GateReport.beside(pack.path()).toString(),
          null,
          "no report of a verification: `bora build` writes it, or `bora verify --report`; name"
              + " another by --report, or release without one by --allow-unverified");
    }
    if (!report.get().passed()) {
      throw new UnverifiedException(
          report.get().file()
              + ": the verification failed, by the gate "
              + report.get().gate()
              + "; --allow-unverified releases it all the same");
    }
  }

  /**
   * What the packs were calibrated on, if the request names it.
   *
   * @throws MismatchedArtifactException when a pack was made with another calibration
   */
  static Optional<CalibrationSource> calibration(List<PackReader> packs, ReleaseRequest request)
      throws IOException {
    if (request.origin().calibration().isEmpty()) {
      return Optional.empty();
    }
    Path file = request.origin().calibration().get();
    PackReader first = packs.getFirst();
    try (Calibration known =
        Calibration.open(file, first.config(), first.manifest().provenance().checkpoint())) {
      for (PackReader pack : packs) {
        if (!pack.manifest().provenance().calibrationSha256().equals(Optional.of(known.sha256()))) {
          throw new MismatchedArtifactException(
              file, "not the calibration that " + pack.path() + " was made with");
        }
      }
      return Optional.of(known.source());
    }
  }
}
