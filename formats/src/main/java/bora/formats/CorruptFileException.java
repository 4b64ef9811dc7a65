package bora.formats;

import java.io.IOException;
import java.nio.file.Path;

/**
 * The content of a file is not what its format demands. The message is {@code <file>: <what is
 * wrong>: expected X, found Y; hint}, fit to be shown to a user as it is.
 */
public final class CorruptFileException extends IOException {
  private static final long serialVersionUID = 1;

  public CorruptFileException(Path file, String problem) {
    super(file + ": " + problem);
  }

  public CorruptFileException(Path file, String problem, Throwable cause) {
    super(file + ": " + problem, cause);
  }
}
