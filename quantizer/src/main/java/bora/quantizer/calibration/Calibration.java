package bora.quantizer.calibration;

import bora.formats.CorruptFileException;
import bora.formats.MappedFile;
import bora.formats.MismatchedArtifactException;
import bora.formats.Sha256;
import bora.formats.UnsupportedVersionException;
import bora.formats.encoding.Encoding;
import bora.formats.json.JsonFields;
import bora.formats.json.StrictJson;
import bora.formats.model.ModelConfig;
import bora.formats.model.TensorKey;
import bora.formats.model.TensorShape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * A calibration file, mapped. Moments are read and their checksums checked when asked for. Safe for
 * use by several threads.
 */
public final class Calibration implements MomentsSource, AutoCloseable {
  private final MappedFile file;
  private final String sha256;
  private final CalibrationSource source;
  private final List<int[]> windows;
  private final List<ExpertCoverage> coverage;
  private final List<GroupSensitivity> sensitivities;
  private final SequencedMap<TensorKey, Map<Encoding, Double>> losses;
  private final SequencedMap<TensorKey, MomentsEntry> moments;

  private Calibration(MappedFile file) throws IOException {
    this.file = file;
    byte[] manifest = CalibrationFormat.manifest(file.path(), file.bytes());
    sha256 = Sha256.of(manifest);
    JsonFields root = JsonFields.of(file.path(), StrictJson.parseObject(file.path(), manifest));
    long version = root.integer("version");
    if (version > CalibrationJson.VERSION) {
      throw new UnsupportedVersionException(
          file.path(),
          UnsupportedVersionException.Reason.TOO_NEW,
          "a calibration of a newer bora: expected version "
              + CalibrationJson.VERSION
              + ", found "
              + version);
    }
    source = CalibrationJson.source(root);
    windows = List.copyOf(CalibrationJson.windows(root, source));
    coverage = List.copyOf(CalibrationJson.coverage(root));
    sensitivities = List.copyOf(CalibrationJson.sensitivities(root));
    losses = CalibrationJson.losses(root);
    long endBytes = file.bytes().byteSize() - CalibrationFormat.FOOTER_BYTES - manifest.length;
    moments = CalibrationJson.moments(root, endBytes);
    root.refuseOthers();
  }

  /**
   * Opens a calibration of a checkpoint.
   *
   * @param checkpoint the fingerprint of the checkpoint at hand
   * @throws CorruptFileException when it is damaged
   * @throws MismatchedArtifactException when it was made of another checkpoint
   * @throws UnsupportedVersionException when a newer bora made it
   */
  public static Calibration open(Path path, ModelConfig config, String checkpoint)
      throws IOException {
    return MappedFile.open(
        path,
        file -> {
          Calibration calibration = new Calibration(file);
          calibration.requireOf(config, checkpoint);
          return calibration;
        });
  }

  private void requireOf(ModelConfig config, String checkpoint) throws IOException {
    if (!source.checkpoint().equals(checkpoint)) {
      throw new MismatchedArtifactException(
          file.path(),
          "a calibration of another checkpoint: expected "
              + checkpoint
              + ", found "
              + source.checkpoint()
              + "; calibrate this one");
    }
    Map<TensorKey, TensorShape> shapes = config.tensors();
    for (int[] window : windows) {
      for (int token : window) {
        if (token < 0 || token >= config.vocabSize()) {
          throw new CorruptFileException(
              file.path(), "tokens: expected ids below " + config.vocabSize() + ", found " + token);
        }
      }
    }
    for (MomentsEntry entry : moments.values()) {
      TensorShape shape = shapes.get(entry.reader());
      if (shape == null || shape.columns() != entry.columns()) {
        throw new CorruptFileException(
            file.path(),
            "moments of "
                + entry.reader()
                + ": expected "
                + (shape == null ? "no such tensor" : shape.columns() + " columns")
                + ", found "
                + entry.columns());
      }
    }
  }

  public CalibrationSource source() {
    return source;
  }

  /** SHA-256 of the manifest, which has the checksums of everything else. */
  public String sha256() {
    return sha256;
  }

  /** The tokens that the model ran over; none where tensors are to be rounded apart. */
  public List<int[]> windows() {
    return windows;
  }

  /** Whether matrices are rounded one after the other, each for what those before it did. */
  public boolean roundsInSequence() {
    return !windows.isEmpty();
  }

  /** Every expert's, layer by layer; of a dense model too. */
  public List<ExpertCoverage> coverage() {
    return coverage;
  }

  public List<GroupSensitivity> sensitivities() {
    return sensitivities;
  }

  /** What each encoding loses on each tensor; empty where it was not measured. */
  public SequencedMap<TensorKey, Map<Encoding, Double>> losses() {
    return losses;
  }

  @Override
  public Optional<SecondMoments> moments(TensorKey reader) throws IOException {
    MomentsEntry entry = moments.get(reader);
    if (entry == null) {
      return Optional.empty();
    }
    MemorySegment bytes = file.bytes().asSlice(entry.offsetBytes(), entry.lengthBytes());
    try {
      return Optional.of(entry.read(file.path(), bytes));
    } catch (InternalError e) {
      throw MappedFile.unreadable(e);
    }
  }

  /** Unmaps the file. */
  @Override
  public void close() {
    file.close();
  }
}
