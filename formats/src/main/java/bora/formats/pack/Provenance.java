package bora.formats.pack;

import java.util.List;
import java.util.Optional;

/**
 * What a pack was made from.
 *
 * @param toolVersion of bora
 * @param sources every file of the checkpoint that was read, sorted by name
 * @param checkpoint the checkpoint's fingerprint
 * @param planName the policy's or plan's name
 * @param planSha256 of the plan's canonical JSON
 * @param calibrationSha256 of the calibration, where there was one
 */
public record Provenance(
    String toolVersion,
    List<Source> sources,
    String checkpoint,
    String planName,
    String planSha256,
    Optional<String> calibrationSha256) {
  public Provenance {
    sources = List.copyOf(sources);
  }

  /** A file of the checkpoint. */
  public record Source(String name, long bytes, String sha256) {}
}
