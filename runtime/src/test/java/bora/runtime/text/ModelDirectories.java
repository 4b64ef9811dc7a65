package bora.runtime.text;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** The example models beside the sources, and the texts that were recorded with them. */
final class ModelDirectories {
  private ModelDirectories() {}

  static Path example(String name) {
    return Path.of("..", "examples", name);
  }

  static Stream<String> names() {
    return Stream.of("tiny-mistral", "tiny-mixtral");
  }

  /** A file under a folder {@code shared} beside the checkout; the test is skipped without. */
  static Path shared(String name) {
    Path directory = Path.of("").toAbsolutePath();
    while (directory != null) {
      Path file = directory.resolve("shared").resolve(name);
      if (Files.exists(file)) {
        return file;
      }
      directory = directory.getParent();
    }
    assumeTrue(false, "no shared/" + name + " in a folder above this one");
    throw new AssertionError();
  }
}
