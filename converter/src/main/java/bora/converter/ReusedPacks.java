package bora.converter;

import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.Sha256;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackEntry;
import bora.formats.pack.PackReader;
import bora.formats.pack.Provenance;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Earlier packs of the same checkpoint. A tensor's bytes follow from the checkpoint, the
 * calibration, its encoding and the version of bora alone, so one that had the same of all is taken
 * as it is.
 */
final class ReusedPacks implements EncodedTensors {
  private final List<PackReader> packs;

  private ReusedPacks(List<PackReader> packs) {
    this.packs = packs;
  }

  /**
   * @throws MismatchedArtifactException when a pack was made from another checkpoint, calibration
   *     or version, so that none of its bytes would be those of a conversion
   */
  static ReusedPacks of(List<PackReader> packs, String checkpoint, Optional<String> calibration)
      throws MismatchedArtifactException {
    for (PackReader pack : packs) {
      Provenance provenance = pack.manifest().provenance();
      require(pack, "checkpoint", checkpoint, provenance.checkpoint());
      require(
          pack,
          "calibration",
          calibration.orElse("none"),
          provenance.calibrationSha256().orElse("none"));
      require(pack, "version of bora", ToolVersion.current(), provenance.toolVersion());
    }
    return new ReusedPacks(List.copyOf(packs));
  }

  private static void require(PackReader pack, String what, String expected, String found)
      throws MismatchedArtifactException {
    if (!expected.equals(found)) {
      throw new MismatchedArtifactException(
          pack.path(),
          "cannot be reused: made with another "
              + what
              + ": expected "
              + expected
              + ", found "
              + found);
    }
  }

  @Override
  public Optional<MemorySegment> find(TensorKey key, Encoding encoding) throws IOException {
    for (PackReader pack : packs) {
      PackEntry entry = pack.manifest().entries().get(key);
      if (entry.encoding() == encoding) {
        MemorySegment bytes = pack.tensor(key).bytes();
        if (!Sha256.of(bytes).equals(entry.checksum().sha256())) {
          throw new CorruptFileException(
              pack.path(), "cannot be reused: damaged: " + key + "; convert without it");
        }
        return Optional.of(bytes);
      }
    }
    return Optional.empty();
  }

  /** The fingerprint samples; this compares all. */
  @Override
  public void requireSources(Map<String, String> sha256) throws MismatchedArtifactException {
    for (PackReader pack : packs) {
      for (Provenance.Source source : pack.manifest().provenance().sources()) {
        require(
            pack,
            source.name(),
            sha256.getOrDefault(source.name(), "no such file"),
            source.sha256());
      }
    }
  }
}
