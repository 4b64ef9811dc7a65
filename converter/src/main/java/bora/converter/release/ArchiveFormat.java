package bora.converter.release;

import java.util.Arrays;
import java.util.stream.Collectors;

/** What a release can be archived as. */
public enum ArchiveFormat {
  TAR_ZST("tar.zst"),
  TAR_GZ("tar.gz"),
  ZIP("zip");

  private final String id;

  ArchiveFormat(String id) {
    this.id = id;
  }

  /** The ending of the archive's name. */
  public String id() {
    return id;
  }

  /**
   * @throws IllegalArgumentException for any other
   */
  public static ArchiveFormat ofId(String id) {
    return Arrays.stream(values())
        .filter(format -> format.id.equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "archive: expected one of "
                        + Arrays.stream(values())
                            .map(ArchiveFormat::id)
                            .collect(Collectors.joining(", "))
                        + ", found `"
                        + id
                        + "`"));
  }
}
