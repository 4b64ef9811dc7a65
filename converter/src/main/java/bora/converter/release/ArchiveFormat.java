package bora.converter.release;

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
}
