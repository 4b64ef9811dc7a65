package bora.converter.release;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What is to be released, and how.
 *
 * @param packs one for each budget
 * @param reports of verifications, beside those that lie next to the packs; matched by the weights
 *     that they name
 * @param name of the release; without one what the packs' names have in common
 * @param allowUnverified whether packs without a passed verification may be released
 */
public record ReleaseRequest(
    List<Path> packs,
    List<Path> reports,
    Optional<String> name,
    Origin origin,
    LicenceRequest licence,
    boolean allowUnverified,
    Packaging packaging) {
  public ReleaseRequest {
    packs = List.copyOf(packs);
    reports = List.copyOf(reports);
  }

  /**
   * What only people know of the model.
   *
   * @param baseModel its name at the hub
   * @param languages two-letter codes
   * @param datasets names at the hub of what the calibration's text is from
   * @param calibration the one that the packs were made with, to tell of its text
   */
  public record Origin(
      Optional<String> baseModel,
      List<String> languages,
      List<String> datasets,
      Optional<Path> calibration) {}

  /**
   * @param id by SPDX, in any case; without one it is recognised by the licence file
   * @param files in place of those that the packs carry
   */
  public record LicenceRequest(Optional<String> id, List<Path> files, boolean allowMissing) {}

  /**
   * @param signingKey a private key
   * @param maxShardBytes the largest file of a pack
   */
  public record Packaging(
      Optional<Path> signingKey,
      boolean oci,
      Optional<ArchiveFormat> archive,
      OptionalLong maxShardBytes) {}
}
