package bora.converter;

import bora.formats.MismatchedArtifactException;
import bora.formats.SmallFile;
import bora.formats.checkpoint.Checkpoint;
import bora.formats.pack.PackLayout;
import bora.formats.pack.PackWriter;
import bora.formats.pack.Provenance;
import bora.quantizer.QuantizationPlan;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What decides the bytes of a pack beside its plan.
 *
 * @param sources the checkpoint's files
 * @param attachments by name, read whole
 */
record ConversionInput(
    Checkpoint checkpoint,
    Optional<Calibration> calibration,
    SourceFiles sources,
    SortedMap<String, ByteBuffer> attachments) {
  private static final int MAX_ATTACHMENT_BYTES = 256 << 20;

  static ConversionInput of(Checkpoint checkpoint, Optional<Calibration> calibration)
      throws IOException {
    SourceFiles sources = SourceFiles.of(checkpoint);
    SortedMap<String, ByteBuffer> attachments = new TreeMap<>();
    for (Path file : checkpoint.attachmentFiles()) {
      byte[] bytes = SmallFile.read(file, MAX_ATTACHMENT_BYTES);
      attachments.put(file.getFileName().toString(), ByteBuffer.wrap(bytes));
    }
    return new ConversionInput(checkpoint, calibration, sources, attachments);
  }

  /**
   * @throws MismatchedArtifactException when the plan was made with another calibration
   */
  void requireCalibrationOf(QuantizationPlan plan) throws MismatchedArtifactException {
    if (plan.calibration().isPresent() && !plan.calibration().equals(calibrationSha256())) {
      throw new MismatchedArtifactException(
          checkpoint.path(),
          "the plan was made with another calibration: expected "
              + plan.calibration().get()
              + ", found "
              + calibrationSha256().orElse("none")
              + "; give it with --calibration");
    }
  }

  private Optional<String> calibrationSha256() {
    return calibration.map(Calibration::sha256);
  }

  PackLayout layout(QuantizationPlan plan) {
    SortedMap<String, Long> lengths = new TreeMap<>();
    attachments.forEach((name, bytes) -> lengths.put(name, (long) bytes.remaining()));
    return plan.layout(lengths);
  }

  /** Tells a conversion on this machine from every other. */
  String work(QuantizationPlan plan) {
    return work(plan, sources.describe());
  }

  /** Parts may be made on several machines, whose copies of a checkpoint are of several times. */
  String workAnywhere(QuantizationPlan plan) {
    return work(plan, sources.describeAnywhere());
  }

  private String work(QuantizationPlan plan, String files) {
    return String.join(
        "\n",
        ToolVersion.current(),
        plan.sha256(),
        plan.checkpoint(),
        calibrationSha256().orElse(""),
        files);
  }

  void attachTo(PackWriter writer) throws IOException {
    for (Map.Entry<String, ByteBuffer> attachment : attachments.entrySet()) {
      writer.attach(attachment.getKey(), attachment.getValue().duplicate());
    }
  }

  /** What the pack of a plan was made from, once every source is hashed. */
  Provenance provenance(QuantizationPlan plan) {
    return new Provenance(
        ToolVersion.current(),
        sources.hashed(),
        plan.checkpoint(),
        plan.policy(),
        plan.sha256(),
        calibrationSha256());
  }
}
