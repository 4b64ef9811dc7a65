package bora.verifier;

import bora.formats.MismatchedArtifactException;
import bora.formats.checkpoint.SafetensorsFile;
import bora.formats.model.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.SequencedMap;

/** What a candidate is compared with. */
public sealed interface Reference extends AutoCloseable
    permits OutputReference, RecordedWindows, ReferenceBundle {
  /**
   * Opens a recorded reference of any kind: {@link ReferenceBundle} where the file says so, {@link
   * RecordedWindows} where it has {@code nll}, else {@link RecordedOutputs}.
   *
   * @throws bora.formats.CorruptFileException when it is none of these
   */
  static Reference open(Path file) throws IOException {
    boolean bundle;
    boolean windows;
    try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
      bundle = ReferenceBundle.FORMAT.equals(tensors.metadata().get("format"));
      windows = tensors.entries().containsKey("nll");
    }
    if (bundle) {
      return ReferenceBundle.open(file);
    }
    return windows ? RecordedWindows.open(file) : RecordedOutputs.open(file);
  }

  /** What made it: file and its hash, producer, protocol; for the report. */
  SequencedMap<String, String> provenance();

  /**
   * Checks that the reference is one of this model.
   *
   * @throws MismatchedArtifactException saying what differs
   */
  void requireModel(ModelConfig config) throws IOException;

  @Override
  void close();
}
