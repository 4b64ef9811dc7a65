package bora.formats;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Finds what lies beside the module in the source tree, wherever the tests are started. */
public final class Siblings {
  private Siblings() {}

  /** Looks for {@code relative} in the working directory and every directory above it. */
  public static Optional<Path> find(String relative) {
    Path directory = Path.of("").toAbsolutePath();
    while (directory != null) {
      Path candidate = directory.resolve(relative);
      if (Files.exists(candidate)) {
        return Optional.of(candidate);
      }
      directory = directory.getParent();
    }
    return Optional.empty();
  }
}
