package bora.formats;

import java.io.IOException;
import java.nio.file.Path;

/**
 * Two artifacts are each intact but do not belong together: a plan of another checkpoint, a
 * reference of another model.
 */
public final class MismatchedArtifactException extends IOException {
  private static final long serialVersionUID = 1;

  public MismatchedArtifactException(Path file, String problem) {
    super(file + ": " + problem);
  }
}
