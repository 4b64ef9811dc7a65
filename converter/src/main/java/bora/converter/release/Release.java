package bora.converter.release;

import bora.converter.StagedDirectory;
import bora.converter.oci.ModelPackLayout;
import bora.converter.signing.SignedDirectory;
import bora.converter.signing.SigningKey;
import bora.formats.MismatchedArtifactException;
import bora.formats.ProgressListener;
import bora.formats.pack.PackReader;
import bora.quantizer.calibration.CalibrationSource;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * Packs checked and ready to be released: everything that can be refused was refused before the
 * first byte is written. Owns the open packs.
 */
public final class Release implements AutoCloseable {
  private static final String CARD = "README.md";
  private static final String BILL_OF_MATERIALS = "bom.cdx.json";
  private static final String SUMS = "SHA256SUMS";

  /** As long as any. */
  private static final String UNKNOWN_HASH = "0".repeat(64);

  private final String name;
  private final List<ReleasedPack> packs;
  private final Licence licence;
  private final ReleaseRequest request;
  private final Optional<CalibrationSource> calibration;
  private final Optional<SigningKey> key;
  private final SourceDate date;

  private Release(
      String name,
      List<ReleasedPack> packs,
      Licence licence,
      ReleaseRequest request,
      Optional<CalibrationSource> calibration,
      Optional<SigningKey> key,
      SourceDate date) {
    this.name = name;
    this.packs = packs;
    this.licence = licence;
    this.request = request;
    this.calibration = calibration;
    this.key = key;
    this.date = date;
  }

  /**
   * Opens everything and decides whether it may be released.
   *
   * @param sourceDateEpoch the variable of the environment, or null
   * @throws UnverifiedException when a pack has no passed verification
   * @throws MismatchedArtifactException when the packs are of different models, or without a
   *     licence
   */
  public static Release of(ReleaseRequest request, String sourceDateEpoch) throws IOException {
    SourceDate date = SourceDate.of(sourceDateEpoch);
    Optional<SigningKey> key = Optional.empty();
    if (request.packaging().signingKey().isPresent()) {
      key = Optional.of(SigningKey.read(request.packaging().signingKey().get()));
    }
    List<PackReader> opened = new ArrayList<>();
    try {
      for (Path path : request.packs()) {
        opened.add(PackReader.open(path));
      }
      List<ReleasedPack> packs = PackAdmission.admit(opened, request);
      return new Release(
          ReleaseName.of(request.name(), packs.stream().map(ReleasedPack::stem).toList()),
          packs,
          Licence.of(request.licence(), opened),
          request,
          PackAdmission.calibration(opened, request),
          key,
          date);
    } catch (IOException | RuntimeException e) {
      opened.forEach(PackReader::close);
      throw e;
    }
  }

  public String name() {
    return name;
  }

  /** Bytes that {@link #publish} checks and copies. */
  public long workBytes() {
    return packs.stream().mapToLong(pack -> pack.pack().integrityBytes() + pack.bytes()).sum();
  }

  /** What would be written, but for archive, OCI layout and signatures, with its sizes. */
  public ReleaseSummary preview() throws IOException {
    List<ReleaseFile> files = new ArrayList<>();
    SequencedMap<String, String> sums = new LinkedHashMap<>();
    for (ReleasedPack pack : packs) {
      for (int shard = 0; shard < pack.shards().size(); shard++) {
        files.add(
            new ReleaseFile(
                pack.fileNames().get(shard), pack.shards().get(shard).lengthBytes(), UNKNOWN_HASH));
      }
    }
    small().forEach((file, bytes) -> files.add(new ReleaseFile(file, bytes.length, UNKNOWN_HASH)));
    files.forEach(file -> sums.put(file.name(), UNKNOWN_HASH));
    byte[] bom = billOfMaterials(sums);
    files.add(new ReleaseFile(BILL_OF_MATERIALS, bom.length, UNKNOWN_HASH));
    sums.put(BILL_OF_MATERIALS, UNKNOWN_HASH);
    files.add(new ReleaseFile(SUMS, ReleaseWriter.sums(sums).length, UNKNOWN_HASH));
    return ReleaseSummary.preview(name, packs, files);
  }

  private byte[] billOfMaterials(Map<String, String> sha256) throws IOException {
    return new BillOfMaterials(name, packs, licence, request.origin(), date).write(sha256);
  }

  /** What is neither a pack nor follows from the other files. */
  private SequencedMap<String, byte[]> small() {
    SequencedMap<String, byte[]> files = new LinkedHashMap<>();
    for (ReleasedPack pack : packs) {
      pack.report().ifPresent(report -> files.put(pack.reportName(), report.json()));
    }
    files.putAll(licence.files());
    files.put(
        CARD,
        new ModelCard(name, packs, licence, request.origin(), calibration)
            .write()
            .getBytes(StandardCharsets.UTF_8));
    return files;
  }

  /**
   * Checks every byte of the packs and writes the release; under its name it appears when it is
   * whole.
   *
   * @param out a new or empty directory
   * @param progress told bytes, in all {@link #workBytes}
   */
  public ReleaseSummary publish(Path out, ProgressListener progress) throws IOException {
    StagedDirectory.requireFree(out);
    for (ReleasedPack pack : packs) {
      pack.pack().checkIntegrity(progress);
    }
    try (StagedDirectory staged = StagedDirectory.of(out)) {
      ReleaseWriter writer = new ReleaseWriter(staged.path(), progress);
      for (ReleasedPack pack : packs) {
        writer.write(pack);
      }
      for (Map.Entry<String, byte[]> file : small().entrySet()) {
        writer.write(file.getKey(), file.getValue());
      }
      writer.write(BILL_OF_MATERIALS, billOfMaterials(writer.sha256()));
      writer.write(SUMS, ReleaseWriter.sums(writer.sha256()));
      List<String> outside = outside();
      if (key.isPresent()) {
        List<String> ignored = new ArrayList<>(outside);
        ignored.add(ReleaseDirectory.MODEL_SIGNATURE);
        sign(writer, ReleaseDirectory.MODEL_SIGNATURE, ignored);
      }
      Optional<String> manifest = wrap(staged.path(), writer);
      if (key.isPresent() && !outside.isEmpty()) {
        sign(
            writer,
            ReleaseDirectory.RELEASE_SIGNATURE,
            List.of(ReleaseDirectory.RELEASE_SIGNATURE));
      }
      ReleaseSummary summary =
          ReleaseSummary.published(name, packs, List.copyOf(writer.files().values()), manifest);
      staged.publish();
      return summary;
    }
  }

  /** What lies beside the model's own files: made of them, signature included. */
  private List<String> outside() {
    List<String> outside = new ArrayList<>();
    if (request.packaging().oci()) {
      outside.add(ReleaseDirectory.OCI);
    }
    request.packaging().archive().ifPresent(format -> outside.add(archiveName(format)));
    if (!outside.isEmpty()) {
      outside.add(ReleaseDirectory.RELEASE_SIGNATURE);
    }
    return outside;
  }

  private String archiveName(ArchiveFormat format) {
    return name + "." + format.id();
  }

  private void sign(ReleaseWriter writer, String file, List<String> ignored) throws IOException {
    writer.write(file, SignedDirectory.sign(key.orElseThrow(), name, writer.sha256(), ignored));
  }

  /** Makes archive and OCI layout; returns the manifest's digest of the latter. */
  private Optional<String> wrap(Path directory, ReleaseWriter writer) throws IOException {
    Collection<ReleaseFile> model = List.copyOf(writer.files().values());
    if (request.packaging().archive().isPresent()) {
      ArchiveFormat format = request.packaging().archive().get();
      new ReleaseArchive(directory, name, date.orFirst(), ProgressListener.NONE)
          .write(format, model, directory.resolve(archiveName(format)));
      writer.record(archiveName(format));
    }
    if (!request.packaging().oci()) {
      return Optional.empty();
    }
    ModelPackLayout layout = ReleaseLayout.of(name, packs, licence, request.origin(), date);
    SequencedMap<String, String> hashes = new LinkedHashMap<>();
    model.forEach(file -> hashes.put(file.name(), file.sha256()));
    String digest = layout.write(directory, hashes, directory.resolve(ReleaseDirectory.OCI));
    for (String file : ModelPackLayout.files(directory.resolve(ReleaseDirectory.OCI))) {
      writer.record(ReleaseDirectory.OCI + "/" + file);
    }
    return Optional.of(digest);
  }

  @Override
  public void close() {
    packs.forEach(pack -> pack.pack().close());
  }
}
