package bora.converter;

import static java.util.stream.Collectors.toMap;

import bora.converter.calibration.SequentialRounding;
import bora.formats.CorruptFileException;
import bora.formats.MismatchedArtifactException;
import bora.formats.Sha256;
import bora.formats.encoding.Encoding;
import bora.formats.model.TensorKey;
import bora.formats.pack.PackEntry;
import bora.formats.pack.PackReader;
import bora.formats.pack.Provenance;
import bora.quantizer.calibration.Calibration;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Earlier packs of the same checkpoint. A tensor's bytes follow from the checkpoint, the
 * calibration, its encoding and the version of bora alone, and where they are rounded in sequence
 * from the encodings of those before it; one that had the same of all is taken as it is.
 */
final class ReusedPacks implements EncodedTensors {
  private final List<PackReader> packs;
  private final boolean inSequence;

  private ReusedPacks(List<PackReader> packs, boolean inSequence) {
    this.packs = packs;
    this.inSequence = inSequence;
  }

  /**
   * @throws MismatchedArtifactException when a pack was made from another checkpoint, calibration
   *     or version, so that none of its bytes would be those of a conversion
   */
  static ReusedPacks of(
      List<PackReader> packs, String checkpoint, Optional<Calibration> calibration)
      throws MismatchedArtifactException {
    for (PackReader pack : packs) {
      Provenance provenance = pack.manifest().provenance();
      require(pack, "checkpoint", checkpoint, provenance.checkpoint());
      require(
          pack,
          "calibration",
          calibration.map(Calibration::sha256).orElse("none"),
          provenance.calibrationSha256().orElse("none"));
      require(pack, "version of bora", ToolVersion.current(), provenance.toolVersion());
    }
    boolean inSequence = calibration.map(Calibration::roundsInSequence).orElse(false);
    return new ReusedPacks(List.copyOf(packs), inSequence);
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

  /** A pack, and which of its tensors are those of the pack to make. */
  private record Donor(PackReader pack, Set<TensorKey> alike) {}

  @Override
  public Lookup forPack(Map<TensorKey, Encoding> encodings) {
    List<Donor> donors =
        packs.stream().map(pack -> new Donor(pack, alike(pack, encodings))).toList();
    return key -> {
      for (Donor donor : donors) {
        if (donor.alike().contains(key)) {
          return Optional.of(checked(donor.pack(), key));
        }
      }
      return Optional.empty();
    };
  }

  /** The tensors of one encoding in both, and in sequence none that is rounded with another's. */
  private Set<TensorKey> alike(PackReader pack, Map<TensorKey, Encoding> encodings) {
    Set<TensorKey> alike = new HashSet<>();
    int firstDifference = Integer.MAX_VALUE;
    for (PackEntry entry : pack.manifest().entries().values()) {
      if (entry.encoding() == encodings.get(entry.key())) {
        alike.add(entry.key());
      } else if (inSequence) {
        int order = SequentialRounding.order(pack.config(), entry.key());
        firstDifference = Math.min(firstDifference, order);
      }
    }
    int end = firstDifference;
    alike.removeIf(key -> SequentialRounding.order(pack.config(), key) >= end);
    return alike;
  }

  private static MemorySegment checked(PackReader pack, TensorKey key) throws IOException {
    MemorySegment bytes = pack.tensor(key).bytes();
    if (!Sha256.of(bytes).equals(pack.manifest().entries().get(key).checksum().sha256())) {
      throw new CorruptFileException(
          pack.path(), "cannot be reused: damaged: " + key + "; convert without it");
    }
    return bytes;
  }

  /** The fingerprint samples; this compares all. */
  @Override
  public void requireSources(List<Provenance.Source> sources) throws MismatchedArtifactException {
    Map<String, String> sha256 =
        sources.stream().collect(toMap(Provenance.Source::name, Provenance.Source::sha256));
    for (PackReader pack : packs) {
      for (Provenance.Source source : pack.manifest().provenance().sources()) {
        String expected = sha256.getOrDefault(source.name(), "no such file");
        require(pack, source.name(), expected, source.sha256());
      }
    }
  }
}
