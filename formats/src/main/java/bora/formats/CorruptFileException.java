package bora.formats;

import java.io.IOException;
import java.nio.file.Path;

/**
 * The content of a file is not what its format demands. The message is {@code <file>: <what is
 * wrong>: expected X, found Y; hint}, fit to be shown to a user as it is.
 */
public final class CorruptFileException extends IOException {
  private static final long serialVersionUID = 1;

  private static final int LONGEST = 2000;

  public CorruptFileException(Path file, String problem) {
    super(file + ": " + abbreviated(problem));
  }

  public CorruptFileException(Path file, String problem, Throwable cause) {
    super(file + ": " + abbreviated(problem), cause);
  }

  /** A problem cites the file, in which a name may be as long as the file itself. */
  private static String abbreviated(String problem) {
    return problem.length() <= LONGEST ? problem : problem.substring(0, LONGEST) + " ...";
  }
}
