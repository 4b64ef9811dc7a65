package bora.formats;

import java.io.IOException;
import java.nio.file.Path;

/** A file is intact, but of a version that this bora cannot read. */
public final class UnsupportedVersionException extends IOException {
  private static final long serialVersionUID = 1;

  /** Which side has to move. */
  public enum Reason {
    /** The file was made by an older bora whose format is no longer read. */
    TOO_OLD,
    /** The file was made by a newer bora. */
    TOO_NEW
  }

  private final Reason reason;

  public UnsupportedVersionException(Path file, Reason reason, String problem) {
    super(file + ": " + problem);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
